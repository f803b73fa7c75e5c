"""Other judges beside our checks of a message: dkimpy, html5lib, WCAG's figures, and whatever hypothesis makes up."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import dkim
import html5lib
import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from emails import letters, links
from emails.checks import Fault, check
from emails.checks.colours import contrast
from emails.letters import DigestContent
from emails.messages.headers import Unwritable
from emails.messages.sender_identity import SenderIdentity
from tests.emails.breaking import Break, field, header, html, is_red, swapped, without
from tests.emails.messages import ADDRESS, KEYS, SETTINGS, Setting, made
from tests.emails.people import SITE, WEEK
from tests.emails.samples import samples

LETTERS = dict(samples())
BARE, SIGNED = SETTINGS["bare"], SETTINGS["signed"]


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


WORDS = {
    "It is at https://x.example/path.": None, "(https://x.example/a)": None, "Look: https://x.example/a/": None,
    "See https://x.example/a_b- or skip": "Write the link so that it ends",
    "Wrap it in <p> and </p>": "Nothing is wrong if a name or a quote has it", "AT&amp;T": "Nothing is wrong if",
    "&#8217; and &nbsp;": "Nothing is wrong if",
}  # fmt: skip


@pytest.mark.parametrize("said", WORDS)
@pytest.mark.parametrize("where", ["name", "tagline", "entry", "category"])
def test_what_an_editor_wrote_is_nobodys_fault_and_at_most_a_warning(said: str, where: str) -> None:
    [first, *_] = WEEK.comparisons
    tools = replace(first.tools[0], **{where: said}), first.tools[1]  # type: ignore[arg-type]
    message, case = made(letters.digest(replace(WEEK, comparisons=(replace(first, tools=tools),)), SITE), SIGNED)
    found = check(message, case)
    assert [(fault.row, fault.severity) for fault in found] == ([(17, "warning")] if WORDS[said] else [])
    assert all(fault.advice.startswith(WORDS[said] or "") for fault in found)


NAMES = [
    "The “Best”",
    'The "Best"',
    "A & B <Weekly>",
    "Larry \\o/",
    "=?Ship?=",
    "週刊",
    "שבועון הכלים",
    "Zoë, 週刊",
    "a,b;c:d",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_every_row_holds_whatever_the_newsletter_is_called(name: str) -> None:
    site = replace(SITE, name=name)
    for letter in (letters.welcome(site), letters.confirm(site)):
        message, case = made(letter, Setting({"site_name": name}))
        assert check(message, case) == []
    [list_id] = re.findall(rb"(?m)^List-Id: (.*)\r$", made(letters.welcome(site), Setting({"site_name": name}))[0])
    assert re.fullmatch(rb'(?:[^"<>=?]+|"[^"<>=?]+") <digest\.verdicts\.example>', list_id)


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
