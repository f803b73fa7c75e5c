"""Days with a real mail server: a daily limit, a full mailbox, greylisting. Whoever can get the letter gets it once."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from db.deliveries import accounts
from db.deliveries.deliveries import Delivery
from db.digests import digests
from db.session import reading, writing
from db.subscribers import subscriptions
from db.subscribers.subscribers import Subscriber
from tests.conftest import Clock, load_catalogue
from tests.drills.mail_house import MISSING, MailHouse
from worker.digests import weekly_run as run
from worker.jobs import jobs
from worker.sending import mail_connections, send_slice

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian's packages of those names)"),
]

SLOT = "2026-W47"
A_DAY = 60
"""The recipients that the provider takes in 24 hours."""
READERS = [f"reader-{each}@reader.example" for each in range(150)]
GREY = [f"reader-{each}@grey.example" for each in range(12)]
FULL = "full@reader.example"
GONE = "gone@reader.example"
NEWCOMER = "newcomer@reader.example"


@pytest.fixture
def house_of_mail(sqlite, redis_url, clock: Clock, setting, monkeypatch) -> Iterator[MailHouse]:
    server = MailHouse(
        [*READERS, *GREY, FULL, NEWCOMER],
        {FULL: "552 5.2.2 Quota exceeded (mailbox for user is full)"},
        f"rate(client_address/{A_DAY}/86400/450 4.7.1 sorry, this client may send {A_DAY} letters a day)",
    )
    for holder, kept in ((mail_connections, "_kept"), (send_slice, "_histories"), (send_slice, "_paces")):
        monkeypatch.setattr(holder, kept, {})
    setting(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_FROM="Verdicts <digest@verdicts.example>")
    load_catalogue()
    _subscribe([*READERS, *GREY, FULL, GONE], clock.now - timedelta(days=9))
    server.start(clock.now)
    yield server
    server.end()


def _subscribe(addresses: list[str], since: datetime) -> None:
    common = {"state": "active", "created_at": since, "confirmed_at": since, "joined": 0}
    rows = [{"address": each, "address_key": each, **common} for each in addresses]
    with writing() as session:
        session.execute(insert(Subscriber), rows)


def _let_time_pass(server: MailHouse, clock: Clock, length: timedelta, step: timedelta = timedelta(minutes=10)) -> None:
    """What the clock's entries do, every ten minutes: the digest's steps, the jobs, and a slice of sending."""
    end = clock.now + length
    while clock.now < end:
        server.set_clock(clock.set(clock.now + step))
        run.tick()
        jobs.work()
        for transport in next(iter(mail_connections._kept.values()), []):
            transport.close()  # in these ten minutes the server hung up
        send_slice.send()


def _states() -> dict[str, tuple[str, str | None]]:
    with reading() as session:
        query = select(Subscriber.address, Delivery.state, Delivery.reason).join(
            Delivery, Delivery.person == "subscriber:" + Subscriber.id.cast(Delivery.person.type)
        )
        return {address: (state, reason) for address, state, reason in session.execute(query)}


def _refusals(server: MailHouse) -> int:
    """How many recipients the server refused for its daily limit."""
    return len(re.findall(rf"may send {A_DAY} letters a day", (server.folder / "mail.log").read_text()))


def _assert_everybody_got_it_once(server: MailHouse, able: list[str]) -> None:
    found = server.delivered(len(able))
    assert found == Counter(able), (found - Counter(able), Counter(able) - found)
    states = _states()
    assert [each for each in able if states[each][0] != "sent"] == []
    assert states[FULL][0] == states[GONE][0] == "failed"
    with reading() as session:
        digest = digests.get(session, SLOT)
        assert digest.state == "finished"
        assert accounts.account(session, digest).holds


def test_a_daily_limit_is_learnt_by_refusal_and_everybody_still_gets_the_letter_once(house_of_mail, clock):
    _let_time_pass(house_of_mail, clock, timedelta(days=4))
    _assert_everybody_got_it_once(house_of_mail, [*READERS, *GREY])
    assert _refusals(house_of_mail) <= 5 * 24  # a handful, every few hours


def test_with_send_daily_nobody_has_to_learn_the_limit(house_of_mail, clock, setting):
    setting(SEND_DAILY=A_DAY - 5)
    _let_time_pass(house_of_mail, clock, timedelta(hours=3))  # the day's letters are used up, but for the reserve
    with writing() as session:
        subscriptions.request(
            session, NEWCOMER, words="w", words_version="1", locale="en", form_url="https://verdicts.example/", ip=None,
            user_agent=None, now=clock.now,
        )  # fmt: skip
    _let_time_pass(house_of_mail, clock, timedelta(minutes=20))
    assert house_of_mail.delivered(1)[NEWCOMER] == 1, "a sign-up in the middle of a long digest gets its confirm letter"
    _let_time_pass(house_of_mail, clock, timedelta(days=4))
    _assert_everybody_got_it_once(house_of_mail, [*READERS, *GREY, NEWCOMER])
    assert _refusals(house_of_mail) == 0
