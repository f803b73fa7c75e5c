"""The table of what an exemplary message has: every row for every letter in every setting, on the finished bytes.

Each row also turns red for messages that were broken on purpose. HELD_ELSEWHERE names the tests of the two rows that no
bytes show.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emails import letters
from emails.checks import ROWS, check
from emails.letters import Letter, Site
from tests.emails.awkward import AWKWARD
from tests.emails.breaking import Break, field, header, html, is_red, swapped, text, without
from tests.emails.messages import ADDRESS, SETTINGS, Setting, made
from tests.emails.people import SITE
from tests.emails.samples import samples

LETTERS = dict(samples())
BARE, SIGNED = SETTINGS["bare"], SETTINGS["signed"]
HELD_ELSEWHERE = {
    19: ("tests/drills/test_spamassassin.py", "test_no_letter_scores_above_nought"),
    21: ("tests/worker/sending/test_send_batch.py", "test_who_left_gets_nothing_though_their_letter_was_announced"),
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


@pytest.mark.parametrize(("row", "breaks"), BYTES, ids=[f"{row}-{at}" for at, (row, _) in enumerate(BYTES)])
def test_each_row_of_the_bytes_turns_red(row: int, breaks: Break) -> None:
    for name in ("digest-quiet", "welcome"):
        message, case = made(LETTERS[name], BARE)
        broken = breaks(message)
        assert broken != message
        assert is_red(row, broken, case), name


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
