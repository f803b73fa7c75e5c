"""How mail servers of many kinds put it: whom their words name, and whose fault they tell."""

import re

import pytest

from emails.bounces import Finding, delays, guesses, read, sentences, steps
from emails.bounces.patterns import folded

ALICE, BOB = "alice@reader.example", "bob@reader.example"
LETTER = (
    "--- Below this line is a copy of the message.\n\nReturn-Path: <news@verdicts.example>\n"
    f"From: The Verdict <news@verdicts.example>\nTo: {ALICE}\nMessage-ID: <letter-7@verdicts.example>\n"
)


def bounced(words: str, header: str = "Subject: failure notice", sender: str = "MAILER-DAEMON@mx.example") -> bytes:
    return f"From: {sender}\nTo: news@verdicts.example\n{header}\n\n{words}\n\n{LETTER}".encode()


def reported(fields: str, words: str = "Your letter came back.", sender: str = "MAILER-DAEMON@mx.example") -> bytes:
    header = 'Subject: Delivery failed\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"'
    report = f"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {ALICE}\nAction: failed\n{fields}"
    parts = f"--b\n\n{words}\n\n--b\nContent-Type: message/delivery-status\n\n{report}\n--b--"
    return f"From: {sender}\nTo: news@verdicts.example\n{header}\n\n{parts}\n".encode()


def told(mail: bytes) -> list[tuple[str, str | None, str]]:
    return [(each.kind, each.whose, each.recipient) for each in read(mail)]


@pytest.mark.parametrize(
    ("words", "kind", "whose"),
    [
        # qmail tells first at which step it was refused, and last that it has tried for too long.
        (
            f"<{ALICE}>:\nConnected to 192.0.2.9 but my name was rejected.\nRemote host said: 501 Invalid domain name",
            "content",
            "sender",
        ),
        (
            f"<{ALICE}>:\nConnected to 192.0.2.9 but sender was rejected.\nRemote host said: 421 4.7.0 [TS01] Messages "
            "from 192.0.2.1 temporarily deferred due to user complaints\nI'm not going to try again; this message has "
            "been in the queue too long.",
            "content",
            "sender",
        ),
        (
            f"<{ALICE}>:\nSorry, no SMTP connection got far enough; most progress was RCPT TO response; remote host "
            "192.0.2.9 said: 550 No such user here (Other MXes tried: 192.0.2.8 said 550 for RCPT TO response.)",
            "hard",
            "address",
        ),
        # An old Sendmail goes on to the next host after the user is unknown.
        (
            f">>> RCPT To:<{ALICE}>\n<<< 550 <{ALICE}>, User Unknown\n550 <{ALICE}>... User unknown\n"
            "421 mx2.reader.example (smtp)... Deferred: Connection timed out during user open with mx2.reader.example",
            "hard",
            "address",
        ),
        # The name of a product is no reason; what stands behind "Reason:" is.
        (
            f"*** Message from VirusStopper ***\nNot delivered to {ALICE}\nReason: Exceeded maximum delivery attempts.",
            "soft",
            "domain",
        ),
        (
            f"Your mail to {ALICE}, sent 30 times within 92 hours, could not be delivered:\n"
            "-- 4.4.4 Temporary server error. Please try again later",
            "soft",
            "relay",
        ),
        (f"<{ALICE}>: no such user here (550)", "soft", "mailbox"),
        (f"<{ALICE}>: permission denied. Command output: Mail quota exceeded.", "soft", "mailbox"),
        (f"550 5.1.1 Hello [192.0.2.1], No such address: <{ALICE}>", "hard", "address"),
        (f"{ALICE}\nThe error that the other server returned was: 550 Address unknown (state 14).", "hard", "address"),
        (f"{ALICE}\nThe error that the other server returned was: 550 Address unknown (state 18).", "soft", "mailbox"),
        (f"<{ALICE}>: maildir delivery failed: 5.2.3 overdrawn his diskspace quota", "soft", "mailbox"),
        (f"421 <{ALICE}>... Deferred: 421\nMessage could not be delivered for 8 hours", "soft", "relay"),
        (f"552 Message for <{ALICE}> would exceed mailbox quota", "soft", "mailbox"),
        (f"553 5.3.0 <{ALICE}>... Addressee unknown, relay=[192.0.2.7]", "hard", "address"),
    ],
)
def test_the_reason_is_found_among_other_words(words: str, kind: str, whose: str) -> None:
    assert told(bounced(words)) == [(kind, whose, ALICE)]


def test_a_reason_that_stands_before_the_recipients_is_that_of_each() -> None:
    words = f"It was not delivered within 2 days.\n\nWho did not receive it:\n\n<{ALICE}>\n\nNor did:\n\n<{BOB}>\n"
    assert told(bounced(words)) == [("soft", "domain", ALICE), ("soft", "domain", BOB)]


@pytest.mark.parametrize(
    ("words", "recipient", "original"),
    [
        (f"  {BOB}\n    (ultimately generated from {ALICE})\n    550 mailbox is full", BOB, ALICE),
        (f"  an undisclosed address\n    (generated from {ALICE})", ALICE, None),
        ('"|/usr/bin/filter"\n    (expanded from: <' + ALICE + ">)\n    command failed", ALICE, None),
        (f"did not reach the following recipient(s):\n\nc=US;a= ;o=X;dda:SMTP={ALICE}; on Mon, 2 Nov", ALICE, None),
    ],
)
def test_who_was_meant_is_found_behind_forwardings_and_x400(words: str, recipient: str, original: str | None) -> None:
    (found,) = read(bounced(words))
    assert (found.recipient, found.original) == (recipient, original)


@pytest.mark.parametrize(
    ("fields", "kind", "whose"),
    [
        ("Status: 5.0.0\nDiagnostic-Code: X-Unix; 127\n", "soft", "relay"),
        ("Status: 5.0.0 (recipient reached disk quota)\n", "soft", "mailbox"),
        ("Status: 5.7.0\nDiagnostic-Code: x-unix; The mailbox has exceeded its disk space limit.\n", "soft", "mailbox"),
        (f"Status: 5.2.1\nDiagnostic-Code: smtp; 550 5.2.1 <{ALICE}>... User Unknown\n", "soft", "mailbox"),
        (
            f"Status: 5.2.1\nDiagnostic-Code: smtp; 550 5.2.1 <{ALICE}>... User Unknown\n"
            "X-PowerMTA-BounceCategory: bad-mailbox\n",
            "hard",
            "address",
        ),
        ("Status: 5.0.0\nX-PowerMTA-BounceCategory: spam-related\n", "content", "message"),
        ("Status: 5.5.0\nDiagnostic-Code: smtp; 550 mailbox unavailable (-2147217900)\n", "hard", "address"),
        ("Status: 5.7.27\nDiagnostic-Code: smtp; 550 Host does not accept mail\n", "hard", "address"),
        ("Status: 5.5.0\nDiagnostic-Code: smtp; 550 Protocol violation\n", "content", "sender"),
        ("Status: 5.5.1\nDiagnostic-Code: smtp; 504 Command parameter not implemented\n", "content", "sender"),
    ],
)
def test_a_report_is_read_with_what_its_mail_server_means(fields: str, kind: str, whose: str) -> None:
    assert told(reported(fields)) == [(kind, whose, ALICE)]


@pytest.mark.parametrize(
    "header",
    [
        "Subject: E\nReturn-Path: <>",
        "Subject: Undeliverable mail\nAuto-Submitted: auto-replied\nPrecedence: bulk",
        "Subject: Warning: alice@reader.example - User unknown!",
    ],
)
def test_a_postmaster_s_bounce_is_known_by_its_words_though_its_header_says_little(header: str) -> None:
    words = (
        f"Your message did not reach the following recipient(s):\n\n{ALICE}\n  The recipient name is not recognized\n"
    )
    assert told(bounced(words, header, "System Administrator <postmaster@mx.example>")) == [("hard", "address", ALICE)]


def test_a_service_that_asks_for_proof_in_the_form_of_a_bounce_is_a_challenge() -> None:
    fields = "Status: 4.7.0\nDiagnostic-Code: X-Notice; Sender not pre-approved\n"
    words = "Your message is waiting. Please click here to confirm that you are a person."
    found = read(reported(fields, words, "Guest List <noreply@lists.example>"))
    assert [each.kind for each in found] == ["challenge"]
    assert read(reported(fields, words))[0].kind != "challenge"


def test_an_approval_list_asks_for_proof_and_a_refusal_by_one_does_not() -> None:
    header = "Subject: Re: Weekly Verdicts\nAuto-Submitted: auto-replied"
    asked = (
        "I apologize for this automatic reply to your email. To control spam, I now allow incoming messages only\n"
        "from senders I have approved beforehand. If you would like to be added to my list of approved senders,\n"
        "please fill out the short request form.\n"
    )
    assert [each.kind for each in read(bounced(asked, header, "Alice <alice@reader.example>"))] == ["challenge"]
    refused = reported("Status: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 not in the list of approved senders\n")
    assert read(refused)[0].kind != "challenge"


def test_a_null_sender_is_a_program_whatever_it_writes() -> None:
    mail = (
        b"Return-Path: <>\nFrom: Ann <ann@tiny.example>\nTo: news@verdicts.example\nSubject: Thank you\n\nSoon more.\n"
    )
    assert read(mail) == (Finding("notice", recipient="ann@tiny.example"),)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (f"该邮件无法投递：收件人邮件地址（{ALICE}）不存在，邮件无法送达。", "hard"),
        (f"{ALICE}\n該当するユーザーが見つかりませんでした。", "hard"),
        (f"수신자: {ALICE}\n사유: 존재하지 않는 사용자입니다.", "hard"),
        (f"{ALICE}\nMottagaren finns inte.", "hard"),
        (f"{ALICE}\nBrukeren finnes ikke.", "hard"),
        (f"{ALICE}\nUživatel neexistuje.", "hard"),
        (f"{ALICE}\nKullanıcı bulunamadı.", "hard"),
        (f"{ALICE}\nКористувача не знайдено.", "hard"),
        (f"{ALICE}\nDer Empfänger ist auf diesem Server nicht bekannt.", "hard"),
        (f"{ALICE}\nDie Adresse des Absenders ist unbekannt.", "content"),
        (f"{ALICE}\nL'adresse de l'expéditeur est invalide.", "content"),
        (f"{ALICE}\n差出人のアドレスが存在しません。", "content"),
        (f"{ALICE}\nDie Nachricht ist zu groß.", "content"),
        (f"{ALICE}\nメッセージのサイズが大きすぎます。", "content"),
        (f"{ALICE}\n수신자의 메일함 용량이 초과되었습니다.", "soft"),
        (f"{ALICE}\nMottagarens inkorg är full.", "soft"),
        (f"{ALICE}\nLe quota du destinataire est dépassé.", "soft"),
    ],
)
def test_other_languages_are_understood_and_the_sender_s_address_is_not_the_recipient_s(words: str, kind: str) -> None:
    header = "Subject: failure notice\nContent-Type: text/plain; charset=utf-8"
    assert [(each.kind, each.recipient) for each in read(bounced(words, header))] == [(kind, ALICE)]


@pytest.mark.parametrize("prefix", ["R:", "Rif:", "YNT:", "Vá:", "VL:", "İlt:", "回覆：", "답장:", "הועבר:"])
def test_an_answer_is_known_by_its_prefix_in_many_languages(prefix: str) -> None:
    mail = bounced(
        f"Why? They say 550 5.1.1 <{ALICE}>: user unknown", f"Subject: {prefix} failure notice", "ann@x.example"
    )
    assert told(mail)[0][0] in ("reply", "other")


@pytest.mark.parametrize("path", ["", "Return-Path: <>\n"])
def test_a_letter_that_somebody_quotes_in_a_text_makes_no_bounce(path: str) -> None:
    words = "I have left. This address could not be found any longer: user unknown."
    found = told(bounced(words, f"{path}Subject: Undeliverable? Away until May", ALICE))
    assert found[0][0] in ("notice", "other", "auto")


@pytest.mark.parametrize(
    "subject",
    [
        "Remise différée : Which editor?",
        "Entrega retrasada: Which editor?",
        "Recapito in ritardo: Which editor?",
        "Доставка задерживается",
        "Leveransen är fördröjd",
        "Levering forsinket",
        "지연 알림",
        "Undelivered mail: still in queue",
    ],
)
def test_a_warning_that_a_letter_is_late_is_known_by_its_subject_and_counts_for_nothing(subject: str) -> None:
    for sender in ("postmaster@mx.example", "MAILER-DAEMON@mx.example"):
        assert told(bounced(f"{ALICE}\nConnection refused", f"Subject: {subject}", sender))[0][::2] == (
            "delayed",
            ALICE,
        )


@pytest.mark.parametrize(
    "words",
    [
        "Möglicherweise ist die E-Mail-Adresse ungültig.",
        "Bitte prüfen Sie, ob die Adresse existiert oder unbekannt ist.",
        "L'adresse est peut-être invalide.",
        "Es posible que la dirección sea inválida.",
        "Talvez o endereço seja inválido.",
        "L'indirizzo potrebbe essere sconosciuto.",
        "Misschien is het adres onbekend.",
        "Sprawdź, czy adres nie jest nieprawidłowy.",
        "Возможно, адрес не существует.",
        "宛先のメールアドレスが間違っているか、存在しない可能性があります。",
        "收件人地址可能不存在。",
        "메일 주소가 잘못되었을 수 있습니다.",
        "The domain does not exist, perhaps.",
        "Possible reasons: address not found, or the server is busy.",
        "以下の原因が考えられます、宛先のメールアドレスが存在しない、または障害。",
    ],
)
def test_an_address_of_which_a_mail_server_only_guesses_is_not_given_up(words: str) -> None:
    header = "Subject: failure notice\nContent-Type: text/plain; charset=utf-8"
    assert [each.kind for each in read(bounced(f"{ALICE}\n{words}", header))] == ["soft"]
    known = f"{ALICE}\n{words} Die Adresse existiert nicht."
    assert [each.kind for each in read(bounced(known, header))] == ["hard"]


@pytest.mark.parametrize(
    "sentence", ["KULLANICI BULUNAMADI", "Alıcı adresi geçersizdir", "ALICI GEÇERSİZ", "Kullanici bulunamadi"]
)
def test_turkish_capitals_are_read_with_either_kind_of_i(sentence: str) -> None:
    assert told(bounced(f"<{ALICE}>: {sentence}"))[0][:2] == ("hard", "address")


def test_what_is_searched_in_folded_text_is_written_in_lower_case() -> None:
    patterns = [*(each for _, each in sentences.SENTENCES), *steps.STEPS.values(), delays.LATE, guesses.MAYBE]
    for each in patterns:
        written = re.sub(r"\\.", "", each.pattern)  # classes such as \S
        assert written == folded(written)
