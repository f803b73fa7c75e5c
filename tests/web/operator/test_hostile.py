"""Whoever asks the console for nonsense, or means harm, gets an answer that says so: never an error of ours."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from flask import Flask
from sqlalchemy.engine import make_url
from werkzeug.datastructures import ImmutableMultiDict

from db.monitoring import backlog, pauses, visitors
from db.session import reading
from tests import newsroom, walking
from tests.conftest import _close_engines
from tests.operators import PASSWORD, Console
from web.operator.frame import health

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]  # some hundred requests a test

HUGE = "9" * 40
NONSENSE = (
    "\0", "a\0b", HUGE, "-" + HUGE, "-1", "9223372036854775808", "1e309", "nan", "' OR 1=1 --", "%", "٣", "²",
    "2026-W99", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\ud800", "x" * 20_000,
    newsroom.EVIL,
)  # fmt: skip
AT_THE_DRIVER = (
    "a\0b", HUGE, "-" + HUGE, "9223372036854775808", "1e309", "9999-12-31", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "\ud800",
)  # fmt: skip
"""What the two drivers may refuse each in its own way; the rest is parsed, or is text like any other."""
ASKED = {
    "/operator/jobs": "state kind queue error since text group id upto until open from before list",
    "/operator/audit": "actor action about since until before",
    "/operator/people": "state before",
    "/operator/suppressions": "reason before",
    "/operator/digests": "before",
    "/operator/deliveries": "slot state code reason after",
    "/operator/digests/{slot}/retry": "state code reason",
    "/operator/digests/{slot}/resolve": "state code reason as",
    "/operator/digests/{slot}/preview": "view",
    "/operator/digests/{slot}/letter": "view",
}


_filled: list[tuple[bytes, SimpleNamespace]] = []
"""The SQLite database of a full newsroom and its ids, once one was filled."""


@pytest.fixture
def room(database) -> SimpleNamespace:
    url = make_url(database)
    if url.get_backend_name() != "sqlite":
        return newsroom.fill()
    file = Path(str(url.database))
    if not _filled:
        made = newsroom.fill()
        _close_engines()
        _filled.append((file.read_bytes(), made))
    _close_engines()
    file.write_bytes(_filled[0][0])
    return _filled[0][1]


class Answers:
    """What came back, and what of it is wrong; all of it is told at the end."""

    def __init__(self) -> None:
        self.wrong: list[object] = []
        self.seen: list[str] = []

    def take(self, told, asked: object) -> None:
        text = told.text
        runs = told.mimetype == "text/html" and ("<script>alert" in text or "<img src=x" in text)
        if told.status_code >= 500 or runs:
            self.wrong.append((told.status_code, asked))
        self.seen.append(text)

    def are_all_well(self) -> None:
        assert not self.wrong, "\n".join(str(each)[:200] for each in self.wrong)


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.are_all_well()


@pytest.fixture
def framed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands around a page depends on nothing that is asked: where it is not the subject, ask for it once."""

    def first(ask: Callable[..., object]) -> Callable[..., object]:
        kept: list[object] = []
        return lambda *given: kept[0] if kept else kept.append(ask(*given)) or kept[0]

    for room, name in ((health, "strip"), (health, "counts"), (backlog, "standing"), (visitors, "hidden_behind")):
        monkeypatch.setattr(room, name, first(getattr(room, name)))


def test_no_nonsense_in_a_filter_breaks_a_page(room, database, console, answers, framed_once):
    browser = console("operator")
    values = NONSENSE if database.startswith("sqlite") else AT_THE_DRIVER
    for path, names in ASKED.items():
        path = path.format(slot=room.slot)
        for name in names.split():
            for value in values:
                answers.take(
                    browser.get(path, query_string={name: value.encode("utf-8", "surrogatepass")}), (path, name, value)
                )


def parts(room, hostile: bool) -> dict[str, list[str]]:
    known = {"slot": [room.slot], "token": [room.invitation], "job_id": [str(room.job)], "operator_id": ["1"],
             "number": ["1"], "subscriber_id": ["1", "2", "4"], "filename": ["operator.css"],
             "address_hash": ["0" * 64], "action": ["hold", "retry", "role"], "queue": ["mail"]}  # fmt: skip
    if not hostile:
        return known
    return {name: [HUGE, "0", "-1", "%00", "..%2f..", "9223372036854775808", "2026-W99", "%ff"] for name in known}


def test_no_nonsense_in_an_address_breaks_a_page(app, room, console, answers, framed_once):
    browser = console("admin")
    for address in walking.addresses(app, parts(room, hostile=True), "/operator"):
        answers.take(browser.get(address), address)


@pytest.mark.once
def test_what_others_wrote_is_shown_and_does_nothing(app, room, console, answers):
    """Errors, tracebacks, notes, reasons and replies with markup in them, on every page, for a viewer too."""
    for role in ("viewer", "admin"):
        browser = console(role)
        answers.seen.clear()
        for address in walking.addresses(app, parts(room, hostile=False), "/operator"):
            if "login" not in address:
                answers.take(browser.get(address), address)
        assert sum(text.count("&lt;script&gt;alert") for text in answers.seen) > 10


# ---- orders ------------------------------------------------------------------------------------------------------

FIELDS = (
    "note", "rate", "address", "role", "who", "late", "as", "state", "code", "reason", "group", "id", "only", "all",
    "since", "until", "upto", "text", "kind", "queue", "error", "shown", "field-sign_up", "field-subscriber", "back",
    "password", "new", "again", "second_factor", "alerts", "next", "within",
)  # fmt: skip


def orders(app: Flask, room) -> list[str]:
    """Every order of the console, but those that end the session that gives them."""
    given = walking.addresses(app, parts(room, hostile=False), "/operator", "POST")
    return [each for each in given if not any(word in each for word in ("logout", "login", "sessions", "invitation"))]


NUMBERS = ("rate", "address", "who", "code", "id", "group", "upto", "since", "field-sign_up", "role")


def test_a_huge_number_in_a_form_breaks_no_order(app, room, console, answers, framed_once):
    every_form_holds(HUGE, app, room, console("admin"), answers)


@pytest.mark.once
@pytest.mark.parametrize("value", ["nan", newsroom.EVIL])
def test_no_nonsense_in_a_form_breaks_an_order(app, room, console, value, answers, framed_once):
    every_form_holds(value, app, room, console("admin"), answers)


def every_form_holds(value: str, app: Flask, room, browser: Console, answers: Answers) -> None:
    token = browser.token()
    for path in orders(app, room):
        for more in ({}, {"confirmed": "yes"}, {"confirmed": "yes", "note": "why"}):
            form = dict.fromkeys(FIELDS, value) | {"csrf_token": token} | more
            answers.take(browser.post(path, data=form), (path, more))


class Fields(ImmutableMultiDict):
    """A form that remembers which of its fields an order has asked for."""

    asked: ClassVar[set[str]] = set()

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def getlist(self, name: str, *more) -> list:
        self.asked.add(name)
        return super().getlist(name, *more)

    def get(self, name: str, *more, **named):
        self.asked.add(name)
        return super().get(name, *more, **named)

    def items(self, *more, **named):
        self.asked.update(super().keys())
        return super().items(*more, **named)


def test_one_field_of_nonsense_among_good_ones_breaks_no_order(app, room, console, answers, framed_once, monkeypatch):
    """An order that is whole but for one field gets further than one in which all is nonsense. A field that it does
    not ask for breaks nothing."""
    monkeypatch.setattr(app.request_class, "parameter_storage_class", Fields)
    browser = console("admin")
    token = browser.token()
    good = {"confirmed": "yes", "note": "why", "rate": "10", "state": "dead", "all": "yes", "role": "viewer",
            "address": "somebody@reader.example", "as": "sent", "who": "1", "csrf_token": token}  # fmt: skip
    hostile = 0
    for path in orders(app, room):
        Fields.asked.clear()
        answers.take(browser.post(path, data=good), (path, None))
        names = [each for each in NUMBERS if each in Fields.asked]
        for name in names:
            answers.take(browser.post(path, data=good | {name: HUGE}), (path, name))
        hostile += len(names)
    assert hostile > 12, "forms are asked for their fields in another way"


def test_what_no_text_holds_is_refused(app, room, console, framed_once):
    browser = console("admin")
    token = browser.token()
    for path in orders(app, room):
        assert browser.post(path, data={"csrf_token": token, "note": "a\0b"}).status_code in (400, 404), path


@pytest.mark.once
def test_an_order_without_the_token_is_not_given(app, room, console, answers, framed_once):
    browser = console("admin")
    for path in orders(app, room):
        for form in ({}, {"csrf_token": "x"}, {"csrf_token": "\0"}):
            told = browser.post(path, data={"confirmed": "yes", "note": "x"} | form)
            assert told.status_code in (400, 404), (path, told.status_code)
    form = {"note": "x", "confirmed": "yes", "csrf_token": browser.token()}
    told = browser.post("/operator/queues/mail/pause", data=form, headers={"Origin": "https://evil.example"})
    assert told.status_code in (400, 403)
    with reading() as session:
        assert [each.queue for each in pauses.paused(session)] == ["jobs"]


@pytest.mark.once
def test_ten_megabytes_are_too_much(console, database):
    browser = console("admin")
    token = browser.token()
    for path in ("/operator/people/find", "/operator/queues/mail/pause", "/operator/login", "/operator/jobs/retry"):
        told = browser.post(path, data={"csrf_token": token, "who": "x" * 10_000_000, "note": "x" * 10_000_000})
        assert told.status_code == 413, path
        assert "</html>" in told.text


# ---- the way back -----------------------------------------------------------------------------------------------

ELSEWHERE = (
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/operator/../../evil",
    "/operator@evil.example", "javascript:alert(1)", "/operator\n//evil.example", "/operatorevil", " //evil.example",
    "/operator/%0d%0aSet-Cookie:x=1", "/operator/..//evil.example",
)  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("where", ELSEWHERE)
def test_signing_in_leads_nowhere_else(stranger: Console, account, where):
    account("dana@newsroom.example", "viewer")
    told = stranger.sign_in("dana@newsroom.example", PASSWORD, next=where)
    to = told.headers["Location"]
    assert told.status_code == 303
    assert to == "/operator" or to.startswith("/operator/"), to
    assert "\n" not in to


@pytest.mark.once
def test_the_way_back_of_a_form_leads_nowhere_else(console, room):
    browser = console("admin")
    for where in ELSEWHERE:
        for path in ("/operator/queues/jobs/resume", "/operator/digests/2026-W01/pause", "/operator/jobs/discard"):
            told = browser.press(path, {"back": where})
            assert told.status_code < 500
            for link in re.findall(r'href="([^"]*)"', told.text):
                assert re.match(r"/(operator($|[/?#])|static/)|#", unescape(link)), (path, where, link)
