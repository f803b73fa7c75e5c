"""The table of what an exemplary message has: every row for every letter in every setting, on the finished bytes.

Each row also turns red for messages that were broken on purpose. HELD_ELSEWHERE names the tests of the two rows that no
bytes show.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dkim
import html5lib
import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from emails import letters, links
from emails.checks import ROWS, Case, Fault, Seen, check
from emails.checks.colours import contrast
from emails.headers import Unwritable
from emails.letters import DigestContent, Letter, Site
from emails.sender_identity import SenderIdentity
from tests.emails.awkward import AWKWARD
from tests.emails.messages import ADDRESS, KEYS, SETTINGS, Setting, made
from tests.emails.people import SITE, WEEK
from tests.emails.samples import samples

LETTERS = dict(samples())
BARE, SIGNED = SETTINGS["bare"], SETTINGS["signed"]
HELD_ELSEWHERE = {
    19: ("tests/drills/test_spamassassin.py", "test_no_letter_scores_above_nought"),
    21: ("tests/worker/test_send_batch.py", "test_who_left_gets_nothing_though_their_letter_was_announced"),
}
EVERY = {1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20}


def due(name: str, setting: str) -> set[int]:
    """The rows that are due, as the specification says it."""
    rows = set(EVERY)
    if name not in ("confirm", "reminder", "alert"):
        rows.add(5)  # those three belong to no list
    if setting.startswith("signed"):
        rows.add(8)
    if setting == "one sender":
        rows.remove(9)
    if name == "test":
        rows.remove(15)  # a note for the editor stands before its preheader
    return rows


# ---- every row holds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", LETTERS)
def test_every_row_holds(name: str, setting: str) -> None:
    message, case = made(LETTERS[name], SETTINGS[setting])
    assert check(message, case) == []
    assert {row.number for row in ROWS if row.is_due(case)} == due(name, setting)


@pytest.mark.parametrize("week", AWKWARD)
def test_every_row_holds_in_awkward_weeks(week: str) -> None:
    message, case = made(letters.digest(AWKWARD[week], SITE), SIGNED, own_votes="sk-k" * 30)
    assert check(message, case) == []


def test_the_table_has_all_its_rows() -> None:
    assert sorted([*HELD_ELSEWHERE, *(row.number for row in ROWS)]) == list(range(1, 22))
    for path, name in HELD_ELSEWHERE.values():
        assert f"def {name}(" in (Path(__file__).parents[2] / path).read_text()


@pytest.mark.parametrize("own_votes", ["s" * 120, "k" * 120, "sk-k" * 30])
def test_every_row_holds_for_a_reader_with_votes(own_votes: str) -> None:
    for name in ("digest", "digest-long"):
        message, case = made(LETTERS[name], SIGNED, own_votes=own_votes)
        assert check(message, case) == []


# ---- every row turns red ---------------------------------------------------------------------------------------

Break = Callable[[bytes], bytes]


def swapped(old: bytes, new: bytes) -> Break:
    return lambda raw: raw.replace(old, new, 1)


def header(line: bytes) -> Break:
    return lambda raw: line + b"\r\n" + raw


def without(name: bytes) -> Break:
    return lambda raw: re.sub(rb"(?m)^%b:.*\r\n(?:[ \t].*\r\n)*" % name, b"", raw, count=1)


def field(name: bytes, value: bytes) -> Break:
    return lambda raw: re.sub(rb"(?m)^%b:.*\r\n(?:[ \t].*\r\n)*" % name, lambda _: name + b": " + value + b"\r\n", raw)


BYTES: list[tuple[int, Break]] = [
    (1, swapped(b"\r\n", b"\n")),
    (1, swapped(b"\r\nMIME-Version", b"\rMIME-Version")),
    (1, lambda raw: raw + b"\0"),
    (1, lambda raw: raw + "ü".encode()),
    (1, lambda raw: raw + b"x" * 999),
    *((2, without(name)) for name in (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"List-Id",
                                      b"List-Unsubscribe", b"List-Unsubscribe-Post", b"MIME-Version")),
    *((2, header(line)) for line in (b"Subject: twice", b"Bcc: bob@reader.example", b"Cc: bob@reader.example",
                                     b"Reply-To: ")),
    (2, lambda raw: raw.replace(b"Auto-Submitted", b"Feedback-ID: a:b:c:sender\r\nFeedback-ID", 1)),
    (3, field(b"Date", b"Tue, 17 Nov 2026 08:30:00 -0000")),
    (3, field(b"Date", b"yesterday")),
    (3, field(b"Message-ID", b"<1@relay.example>")),
    (3, field(b"Message-ID", b"no brackets")),
    (4, field(b"Feedback-ID", b"=?utf-8?B?w6k=?=:b:c:sender")),
    (4, field(b"List-Id", b"=?utf-8?B?w6k=?= <digest.verdicts.example>")),
    (4, field(b"Message-ID", b"<=?utf-8?B?w6k=?=@verdicts.example>")),
    (4, field(b"Subject", b"=?utf-8?B?" + base64.b64encode("é".encode() * 40) + b"?=")),
    (4, field(b"Subject", b"=?utf-8?B?w6k=?==?utf-8?B?w6k=?=")),
    (4, field(b"Subject", b"a=?utf-8?B?w6k=?=")),
    (4, field(b"From", b"Verdicts <=?utf-8?B?w6k=?=@verdicts.example>")),
    (5, swapped(b"<https://verdicts.example/unsub", b"<http://verdicts.example/unsub")),
    (5, field(b"List-Unsubscribe", b"<mailto:digest@verdicts.example?subject=" + b"x" * 40 + b">")),
    (5, swapped(b"List-Unsubscribe: <", b"List-Unsubscribe: <https://a.example/" + b"x" * 40 + b">, <")),
    (5, swapped(b"=One-Click", b"=one-click")),
    (6, field(b"List-Unsubscribe", b"<https://verdicts.example/unsubscribe/7>")),
    (6, field(b"List-Unsubscribe", b"<https://verdicts.example/unsubscribe/alice%40reader.example>")),
    (7, field(b"List-Id", b"Weekly AI Tool Verdicts")),
    (7, field(b"List-Id", b"Weekly <digest.elsewhere.example>")),
    (7, field(b"Feedback-ID", b"digest:newsletter:verdicts")),
    (7, field(b"Feedback-ID", b"a:b:c:me")),
    (7, field(b"Feedback-ID", b"alice@reader.example:b:c:sender")),
    (7, field(b"Auto-Submitted", b"no")),
    (10, swapped(b"multipart/alternative", b"multipart/mixed")),
    (10, swapped(b"text/plain; charset=utf-8", b"text/plain; charset=iso-8859-1")),
    (10, lambda raw: raw.replace(b"text/plain", b"text/x").replace(b"text/html", b"text/plain")),
    (10, lambda raw: raw[: raw.rindex(b"\r\n--")] + b"\r\n"),
    (10, lambda raw: re.sub(rb"(charset=utf-8\r\n.*\r\n\r\n)", rb"\1=FF=FE", raw, count=1)),
    (20, header(b"X-Mailer: Eve")),
    (20, header(b"no field at all")),
    (20, field(b"Subject", b"=?utf-8?B?" + base64.b64encode(b"one\r\nBcc: two") + b"?=")),
    (20, field(b"Subject", b"=?utf-8?B?" + base64.b64encode("one\u2028two".encode()) + b"?=")),
    (20, field(b"Subject", b"=?nothing?B?w6k=?=")),
]  # fmt: skip


def is_red(row: int, message: bytes, case: Case) -> bool:
    """Whether that row has a fault; each is told in a sentence, with what to do."""
    [held] = [each for each in ROWS if each.number == row]
    faults = list(held.check(Seen(message, case))) if held.is_due(case) else []
    assert all(re.fullmatch(r"[A-Z<].*\. [A-Z].*\.", fault.words, re.DOTALL) for fault in faults), faults
    return bool(faults)


@pytest.mark.parametrize(("row", "breaks"), BYTES, ids=[f"{row}-{at}" for at, (row, _) in enumerate(BYTES)])
def test_each_row_of_the_bytes_turns_red(row: int, breaks: Break) -> None:
    for name in ("digest-quiet", "welcome"):
        message, case = made(LETTERS[name], BARE)
        broken = breaks(message)
        assert broken != message
        assert is_red(row, broken, case), name


def html(old: str, new: str) -> Callable[[Letter], Letter]:
    """The letter with its HTML changed there, everywhere."""
    return lambda letter: replace(letter, html=re.sub(old, lambda _: new, letter.html, flags=re.DOTALL))


def text(old: str, new: str) -> Callable[[Letter], Letter]:
    return lambda letter: replace(letter, text=re.sub(old, lambda _: new, letter.text, flags=re.DOTALL))


def added(more: str) -> Callable[[Letter], Letter]:
    """The letter with this before the end of its page."""
    return html("</body>", f"{more}</body>")


LINK = '<a href="{}">{}</a>'
BODIES: list[tuple[int, Callable[[Letter], Letter]]] = [
    (6, added(LINK.format("https://verdicts.example/?to=alice%40reader.example", "Me"))),
    (6, added(LINK.format("https://verdicts.example/?to=alice%2540Reader.example", "Me"))),
    (6, added(LINK.format("https://verdicts.example/?to=" + base64.b64encode(ADDRESS.encode()).decode(), "Me"))),
    (11, added("<p>" + "x" * 100 * 1024 + "</p>")),
    (11, added("<p>" + "é" * 20 * 1024 + "</p>")),
    (12, html(' lang="en"', "")),
    (12, html("<title>.*?</title>", "<title></title>")),
    (12, html("<h1(.*?)</h1>", "")),
    (12, added("<h1>Once more</h1>")),
    (12, added('<img src="https://verdicts.example/a.png">')),
    (12, html(' role="presentation"', "")),
    (12, added('<p style="font-size:13px">small</p>')),
    (12, added('<p style="color:#777777">faint</p>')),
    (12, html("#e8edec", "#344045")),
    (12, added('<table role="presentation" width="600"></table>')),
    (12, added('<div style="width:400px"></div>')),
    (13, added("<script></script>")),
    (13, added("<form></form>")),
    (13, added("<iframe></iframe>")),
    (13, html("</head>", '<base href="https://a.example"></head>')),
    (13, added('<p onclick="a()"></p>')),
    (13, added(LINK.format("javascript:alert(1)", "Press"))),
    (13, added(LINK.format("/compare", "Press"))),
    (13, added(LINK.format("http://verdicts.example/", "Press"))),
    (13, added(LINK.format("https://evil.example/", "https://bank.example/"))),
    (13, added("<p>{{ name }}</p>")),
    (13, text("$", "{~ VOTE~}")),
    (14, html(re.escape(SITE.postal_address), "")),
    (14, text(r"14\s+Sample\s+Quay,\s+Port\s+Example\s+00000", "")),
    (14, html(r"\b(B|b)ecause\b", "for")),
    (14, text(r"\bbecause\b", "for")),
    (15, html('<span class="preheader">.*?</span>', '<span class="preheader">Short.</span>')),
    (15, html('<span class="preheader">', '<span class="preheader">' + "Long " * 30)),
    (15, html("(&#847;&zwnj;&nbsp;)+", "")),
    (15, html("<body[^>]*>", "<body><p>View in browser</p>")),
    (16, html('<meta name="color-scheme"[^>]*>', "")),
    (16, html('<meta name="supported-color-schemes"[^>]*>', "")),
    (16, html("prefers-color-scheme: dark", "prefers-color-scheme: light")),
    (17, added(LINK.format("https://verdicts.example/only-here", "Here"))),
    (17, text("$", "\nhttps://verdicts.example/vote/ends-in-")),
    (17, text("$", "\nhttps://verdicts.example/vote/ends-in_")),
    (17, text("$", "\nIt is at https://verdicts.example/archive.")),
    (17, text("$", "\n<p>one</p>")),
    (17, text("$", "\n&nbsp;")),
    (17, text(".*", "")),
    (18, html("<!doctype html>", "")),
    (18, added("<div>")),
    (18, added("</div>")),
    (18, added("<p><b></p></b>")),
    (18, added('<p id="a" id="b"></p>')),
    (18, added('<a href="https://verdicts.example/"><a href="https://verdicts.example/"></a></a>')),
    (18, added('<p style="position:absolute"></p>')),
    (18, html("</style>", ".a { display-inside: grid; }</style>")),
]


@pytest.mark.parametrize(("row", "breaks"), BODIES, ids=[f"{row}-{at}" for at, (row, _) in enumerate(BODIES)])
def test_each_row_of_the_bodies_turns_red(row: int, breaks: Callable[[Letter], Letter]) -> None:
    for name in ("digest-quiet", "welcome", "confirm", "alert"):
        letter = breaks(LETTERS[name])
        assert letter != LETTERS[name]
        assert is_red(row, *made(letter, BARE)), name


MAILINGS: list[tuple[tuple[str, ...], Callable[[Letter], Letter]]] = [
    (("digest", "welcome"), html(">Unsubscribe<", ">Away<")),
    (("digest", "welcome"), text("Unsubscribe", "Away")),
    (("digest",), html("/digests/", "/elsewhere/")),
    (("digest",), text("/digests/", "/elsewhere/")),
]


def test_a_mailing_without_its_way_out_or_its_web_version_turns_red() -> None:
    for names, breaks in MAILINGS:
        for name in names:
            assert is_red(14, *made(breaks(LETTERS[name]), BARE)), name


def test_a_letter_of_no_list_may_not_look_like_one() -> None:
    for name in ("confirm", "alert"):
        message, case = made(LETTERS[name], BARE)
        assert is_red(2, header(b"List-Id: Weekly <digest.verdicts.example>")(message), case)


def test_the_envelope_of_each_reader_is_its_own_at_a_domain_of_ours() -> None:
    message, case = made(LETTERS["digest"], BARE)
    assert is_red(9, message, replace(case, sender="digest@verdicts.example"))
    message, case = made(LETTERS["digest"], Setting({"mail_bounce_domain": "bounces.relay.example"}))
    [fault] = check(message, case)
    assert (fault.row, fault.severity) == (9, "warning")
    assert "MAIL_BOUNCE_DOMAIN" in fault.advice


def test_what_a_setting_lacks_is_told_with_the_setting_that_mends_it() -> None:
    def told(setting: Setting, letter: Letter = LETTERS["digest"], **changes: Any) -> list[tuple[int, str, str]]:
        message, case = made(letter, setting)
        return [(each.row, each.severity, each.advice) for each in check(message, replace(case, **changes))]

    assert told(BARE, over_smtp=True) == [
        (8, "warning", "Set DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE, unless your relay signs.")
    ]
    site = Site(SITE.name, "http://verdicts.example", "")
    plain = told(Setting({"base_url": site.base_url}), letters.welcome(site), postal_address="")
    assert {row for row, _, _ in plain} == {5, 13, 14}
    assert {advice for _, _, advice in plain} == {
        "Set BASE_URL to your site’s https address.", "Set MAIL_POSTAL_ADDRESS.",
    }  # fmt: skip


# ---- signatures --------------------------------------------------------------------------------------------------

TAMPERED: Mapping[str, Break] = {
    "body": swapped(b"Larkspur", b"Larkspun"),
    "subject": lambda raw: raw.replace(b"\r\nSubject: ", b"\r\nSubject: Free ", 1),
    "way out": swapped(b"=One-Click", b"=Two-Click"),
    "second subject": swapped(b"\r\nTo: ", b"\r\nSubject: Free money\r\nTo: "),
}


def published(setting: Setting) -> Callable[..., bytes]:
    """The DNS in which the keys of this setting are published."""
    assert setting.signer
    records = {f"{setting.signer.record_name(key)}.".encode(): key.record.encode() for key in setting.signer.keys}
    return lambda name, timeout=5: records.get(name, b"")


def test_dkimpy_agrees_about_each_signature() -> None:
    for name in ("digest", "confirm"):
        message, case = made(LETTERS[name], SIGNED)
        assert dkim.verify(message, dnsfunc=published(SIGNED))
        for breaks in TAMPERED.values():
            broken = breaks(message)
            assert dkim.verify(broken, dnsfunc=published(SIGNED)) != is_red(8, broken, case)
        assert is_red(8, TAMPERED["subject"](message), case)


@pytest.mark.parametrize(
    "breaks",
    [
        without(b"DKIM-Signature"), swapped(b"d=verdicts.example", b"d=evil.example"),
        swapped(b"rsa-sha256", b"rsa-sha1"),
        swapped(b"c=relaxed/", b"c=simple/"), swapped(b"DKIM-Signature: v=1;", b"DKIM-Signature: v=1; l=100;"),
        swapped(b"h=from:from:", b"h=from:"), swapped(b"list-unsubscribe:", b""), swapped(b"s=w47;", b"s=w48;"),
        header(b"DKIM-Signature: v=1"), lambda raw: re.sub(rb"\r\n b=.{20}", b"\r\n b=not base64 at all", raw),
    ],
)  # fmt: skip
def test_a_signature_in_a_weaker_form_turns_red(breaks: Break) -> None:
    message, case = made(LETTERS["digest-quiet"], SIGNED)
    broken = breaks(message)
    assert broken != message
    assert is_red(8, broken, case)


# ---- other judges agree ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [("</body>", "</div></body>"), ("</body>", '<p id="a" id="b"></p></body>')])
def test_html5lib_finds_the_same_pages_invalid(old: str, new: str) -> None:
    for page, is_valid in ((LETTERS["confirm"].html, True), (html(old, new)(LETTERS["confirm"]).html, False)):
        parser = html5lib.HTMLParser()
        parser.parse(page)
        errors = {code for _, code, _ in parser.errors} - {"non-void-element-with-trailing-solidus"}
        assert (errors == set()) == is_valid


def test_contrast_is_that_of_wcag() -> None:
    """Figures from the WebAIM contrast checker."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#b0370b", "#f4f6f5") == contrast("#f4f6f5", "#b0370b")


# ---- two messages, and what nobody thought of ------------------------------------------------------------------------


def test_a_message_id_is_one_deliverys_on_every_attempt() -> None:
    def told(delivery: int, to: str) -> tuple[bytes, str]:
        message, case = made(LETTERS["digest"], BARE, delivery, to=to)
        return re.findall(rb"(?m)^Message-ID: (.*)\r$", message)[0], case.sender

    alice, again, bob = told(70, ADDRESS), told(70, ADDRESS), told(71, "bob@reader.example")
    assert alice == again
    assert alice[0] != bob[0]
    assert alice[1] != bob[1]


SLUGS = st.from_regex(r"\A[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,4}\Z")
ENDS_WELL = re.compile(r".*[^-_.,;:!?)>\]'\"]")


@effort(max_examples=20, deadline=None)
@given(SLUGS, SLUGS, SLUGS, st.integers(1, 2**40 - 1), st.integers(1, 2**40 - 1))
def test_no_bare_link_ends_in_what_mail_apps_cut_off(
    comparison: str, one: str, two: str, subject: int, delivery: int
) -> None:
    [first, *_] = WEEK.comparisons
    tools = replace(first.tools[0], slug=one), replace(first.tools[1], slug=two)
    week = replace(WEEK, comparisons=(replace(first, slug=comparison, tools=tools),), movers=())
    purposes = {"UNSUBSCRIBE": "unsubscribe", "VOTE": "vote", "PREFERENCES": "preferences", "CONFIRM": "confirm"}
    for letter in (letters.digest(week, SITE), LETTERS["confirm"], LETTERS["welcome"]):
        values = {mark: links.sign(KEYS, purpose, subject, delivery) for mark, purpose in purposes.items()}  # type: ignore[arg-type]
        found = re.findall(r"https?://\S+", letter.filled(values | {"SINCE": "4 March 2026"}).text)
        assert found
        assert all(map(ENDS_WELL.fullmatch, found))


HOSTILE = [
    "one\r\nBcc: two", "one\ntwo", "a\0b", "one\u2028two", "\u202eright to left", "שלום עולם، مرحبا", "🎉" * 300,
    "=?utf-8?B?w6k=?=", "<script>alert(1)</script>", "{{ 7 * 7 }}", "{~UNSUBSCRIBE~}", "x" * 300, "a" + "\u0301" * 90,
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_hostile_names_are_refused_or_leave_every_row_as_it_was(hostile: str) -> None:
    [first, *_] = WEEK.comparisons
    tools = replace(first.tools[0], name=hostile, tagline=hostile), first.tools[1]
    content: DigestContent = replace(WEEK, comparisons=(replace(first, tools=tools, question=hostile),), movers=())
    message, case = made(letters.digest(content, SITE), SIGNED)
    assert [fault for fault in check(message, case) if "left over" not in fault.told] == []
    try:
        identity = SenderIdentity(hostile, "digest@verdicts.example", SITE.base_url)
    except Unwritable:
        return
    message, case = made(LETTERS["confirm"], BARE)
    assert check(message, replace(case, identity=identity)) == []


# Each of these once ended a check, or ends one of the parsers on some Python.
STUMBLED = [
    "<![@media{", "<!", "<![", "<!--", "&#x110000;", '<a href="http://[">', "<style>{}", "<style>>{a:b}</style>",
    "</a></a>", "\ud7ff", "<a a=1 a=2>",
]  # fmt: skip
MARKUP = st.lists(st.sampled_from([*STUMBLED, "<", ">", '"', "=", "td", "style=", "{", "}", ";", "@media", "<p/>"]))


@effort(max_examples=12, deadline=None)
@given(st.binary(max_size=300), MARKUP.map("".join))
@example(b"", "".join(STUMBLED))
def test_any_bytes_and_any_markup_are_judged_without_an_error(raw: bytes, markup: str) -> None:
    confirm = LETTERS["confirm"]
    message, case = made(replace(confirm, html=confirm.html + markup, text=confirm.text + markup), SIGNED)
    for judged in (message, raw, b"Content-Type: text/html\r\n\r\n" + raw, message[: len(raw) * 99], raw + message):
        assert all(isinstance(fault, Fault) for fault in check(judged, case))


@pytest.mark.parametrize("markup", STUMBLED, ids=ascii)
def test_markup_that_parsers_stumble_over_is_judged(markup: str) -> None:
    confirm = LETTERS["confirm"]
    message, case = made(replace(confirm, html=confirm.html.replace("</body>", f"{markup}</body>")), SIGNED)
    check(message, case)


@pytest.mark.parametrize("signature", [b"b=\xff", b"b=====", b"", b"s=w47; b=AAAA", b"h=:::; b=A"])
def test_a_broken_signature_does_not_verify(signature: bytes) -> None:
    message, case = made(LETTERS["confirm"], SIGNED)
    assert is_red(8, field(b"DKIM-Signature", signature)(message), case)
