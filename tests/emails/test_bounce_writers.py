"""Who wrote a mail to the return path: what a person has to read is neither a bounce nor a vacation note."""

import pytest

from emails.bounces import read, summary

TOKEN = "0123456789abcdef0123456789abcdef01234567"
REFUSED = "Hello,\n\nyour mail could not be delivered:\n\n550 5.1.1 <bob@tiny.example>: User unknown\n\nAnn\n"
ANSWERS = "In-Reply-To: <1@verdicts.example>\n"
REPORT = """
--b
Content-Type: text/plain

<bob@tiny.example>: 550 5.1.1 user unknown

--b
Content-Type: message/delivery-status

Final-Recipient: rfc822; bob@tiny.example
Action: failed
Status: 5.1.1

--b--
"""
MIXED = 'Content-Type: multipart/mixed; boundary="b"\n'
RECEIPT = 'Content-Type: multipart/report; report-type={}; boundary="b"\n'


def kind(sender: str, subject: str, header: str = "", words: str = REFUSED) -> str:
    to = f"news+b-{TOKEN}@verdicts.example"
    [found] = read(f"From: {sender}\nTo: {to}\nSubject: {subject}\n{header}\n{words}".encode())
    return found.kind


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("Postmaster <postmaster@tiny.example>", "Re: Which editor?"),
        ("Mail Admin <mailadmin@tiny.example>", "AW: Which editor?"),
        ("Postmaster <postmaster@tiny.example>", "Antwort: Undelivered mail"),
        ("Postmaster <postmaster@tiny.example>", "Re^2: Undelivered mail"),
        ("Max Daemon <mdaemon@tiny.example>", "Re: Which editor?"),
        ("Sam <sam@mdaemon-fans.example>", "Hello"),
        ("MDaemon Fan <fan@tiny.example>", "My mail server"),
        ('"Mailer Daemon Jones" <jones@tiny.example>', "Hello"),
        ("Jo <jo@mailer-daemon.example>", "Undelivered"),
        ("Mail Delivery System Fans <jo@tiny.example>", "Hello"),
        ("Bounce Agency <hello@bounce.example>", "Your site"),
        ("Ann <ann-bounces@tiny.example>", "A problem"),
        ("Parcels <no-reply@parcels.example>", "Delivery failed: your parcel"),
        ("Ann <ann@tiny.example>", "Fwd: Undelivered Mail Returned to Sender"),
        ("Ann Postmaster <postmaster@tiny.example>", "Your newsletter"),
    ],
)
@pytest.mark.parametrize("header", ["", ANSWERS, "Return-Path: <ann@tiny.example>\n"])
def test_a_person_who_writes_of_a_bounce_is_no_mail_server(sender, subject, header):
    assert kind(sender, subject, header) in ("reply", "other")


@pytest.mark.parametrize(
    "header",
    [
        "User-Agent: Mozilla Thunderbird\n",
        "X-Mailer: Apple Mail (2.3774)\n",
        "List-Id: <talk.tiny.example>\n",
        ANSWERS,
        "Thread-Index: AQHc\n",
        "X-Gm-Message-State: AOJu\n",
    ],
)
def test_a_bounce_that_a_person_or_a_list_sends_on_is_none(header):
    assert kind("Ann <ann@tiny.example>", "Undelivered mail to Bob", header + MIXED, REPORT) in ("reply", "other")
    assert kind("Ann <ann@tiny.example>", "Re: Which editor?", header + MIXED, REPORT) == "reply"


@pytest.mark.parametrize(
    ("sender", "header"),
    [
        ("MAILER-DAEMON@mx.tiny.example (Mail Delivery System)", ""),
        ("Mail Delivery Subsystem <anybody@tiny.example>", ""),
        ('"Mailer-Daemon" <>', ANSWERS),
        ("MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@tiny.example", ANSWERS),
        ("Postmaster <postmaster@tiny.example>", ANSWERS),
        ("MDaemon <mdaemon@tiny.example>", ""),
        ("<ann@tiny.example>", "Return-Path: <>\n"),
        ("<ann@tiny.example>", "Return-Path: <>\nX-Mailer: SparkPost\n"),  # and not Spark, in which people write
        ("<ann@tiny.example>", "Return-Path: <>\nX-Mailer: SystemClient 2\n"),
    ],
)
def test_a_mail_server_is_believed_whatever_its_bounces_answer(sender, header):
    assert kind(sender, "Undeliverable: Which editor?", header) == "hard"


@pytest.mark.parametrize(
    ("subject", "header", "expected"),
    [
        ("Re: Which editor?", "Auto-Submitted: auto-replied (vacation)\n", "auto"),
        ("Automatic reply: Which editor?", "", "auto"),
        ("Out of Office AutoReply: Which editor?", "", "auto"),
        ("Automatic reply: Which editor?", "Auto-Submitted: auto-generated\n" + ANSWERS, "auto"),
        ("Out of office: Which editor?", "Precedence: bulk\n", "auto"),
        ("Ich bin im Urlaub", "X-Auto-Response-Suppress: All\n", "auto"),
        ("Out of office from Monday on: please pause", "", "notice"),
        ("Which tool sets an automatic reply?", "", "notice"),
        ("Re: Which tool sets an automatic reply?", ANSWERS, "reply"),
        ("[Tiny] Re: Which editor?", "Auto-Submitted: auto-generated\n" + ANSWERS, "notice"),
        ("[Request received] Which editor?", "Auto-Submitted: auto-generated\nReturn-Path: <>\n", "notice"),
        ("Accepted: Which editor?", "Auto-Submitted: auto-generated\n", "notice"),
    ],
)
def test_only_what_a_program_surely_answered_for_its_owner_is_a_vacation_note(subject, header, expected):
    assert kind("Ann <ann@tiny.example>", subject, header, "I liked it.\n") == expected


def test_a_notice_counts_as_automatic_in_a_summary():
    found = read(b"From: help@tiny.example\nSubject: Ticket 5\nAuto-Submitted: auto-generated\n\nAnn wrote: hello\n")
    assert summary.kind_of(found) == "auto"


@pytest.mark.parametrize(
    ("report", "expected"),
    [("tlsrpt", "other"), ("feedback-report", "other"), ("disposition-notification", "auto")],
)
def test_a_report_of_another_kind_is_no_bounce(report, expected):
    words = "\n--b\n\nThe delivery failed: 3 messages could not be delivered.\n--b--\n"
    assert kind("Reports <postmaster@tiny.example>", "Report", RECEIPT.format(report), words) == expected


def test_a_complaint_that_a_person_forwards_is_none():
    words = "\n--b\n\nWhat is this?\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--b--\n"
    assert kind("Ann <ann@tiny.example>", "Fwd: complaint", MIXED, words) == "other"
    assert kind("Ann <ann@tiny.example>", "FW: complaint", RECEIPT.format("feedback-report"), words) == "complaint"
