"""SEND_DAILY: no 24 hours hold more letters, and a digest that takes days leaves room for a confirm letter."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from db.deliveries import deliveries
from db.deliveries.claiming import claims
from db.deliveries.claiming.claims import Batch
from db.deliveries.limits import daily_limit
from db.engine import engine
from db.session import reading, writing
from tests.claiming import LEASE, NOW, WIN, ask, recover, settle, states

MINUTES = timedelta(minutes=1)
DAY = timedelta(hours=24)


def sign_up(number: int = 1, at=NOW) -> None:
    """That many people sign up, and each is owed a confirm letter."""
    with writing() as session:
        for _ in range(number):
            row = session.execute(
                text(
                    "INSERT INTO subscribers (address, address_key, state, created_at)"
                    " SELECT 'new-' || n || '@reader.example', 'new-' || n, 'pending', :now"
                    " FROM (SELECT count(*) AS n FROM subscribers) AS all_ RETURNING id"
                ),
                {"now": "2026-11-17 09:00:00"},
            ).one()
            deliveries.owe(session, "confirm", row.id, f"subscriber:{row.id}", at)


def send(about: int | None, daily: int, at=NOW, limit: int = 200) -> int:
    """One claim whose letters are all sent. Returns their number."""
    batch = ask(about, at, daily=daily, limit=limit)
    if batch is None:
        return 0
    settle(batch, batch.letters, at=at)
    with writing() as session:
        claims.release(session, batch, at, sent=len(batch.letters))
    return len(batch.letters)


def minutes() -> list[tuple[int, int]]:
    with reading() as session:
        asked = text("SELECT letters, single FROM sent_minutes ORDER BY counts_until")
        return [(row.letters, row.single) for row in session.execute(asked)]


def test_what_is_sent_today_leaves_less_for_today_and_nothing_for_longer(digest):
    assert send(digest, 20, limit=12) == 12
    assert send(digest, 20, NOW + 5 * MINUTES) == 20 - 12 - 1, "one stays free for whoever signs up"
    assert send(digest, 20, NOW + DAY - MINUTES) == 0
    assert send(digest, 20, NOW + DAY + 3 * MINUTES) == 11, "the first twelve were a day ago"
    assert states() == {"sent": 30}


def test_claims_that_run_at_the_same_time_share_what_is_left(digest):
    first, second = ask(digest, daily=20, limit=15), ask(digest, daily=20, limit=15)
    assert (len(first.letters), len(second.letters)) == (15, 4)
    assert ask(digest, daily=20) is None


def test_who_was_refused_takes_nobody_elses_place(digest):
    batch = ask(digest, daily=20)
    settle(batch, batch.letters, "deferred")
    with writing() as session:
        claims.release(session, batch, NOW, sent=0)
    assert len(ask(digest, daily=20).letters) == 19


def test_a_claim_counts_until_it_ends_however_long_it_takes(digest):
    batch = ask(digest, daily=20, limit=10)
    settle(batch, batch.letters)
    assert len(ask(digest, NOW + 2 * DAY, daily=20).letters) == 9


@pytest.mark.parametrize("resend", [False, True])
def test_of_a_killed_sender_count_the_letters_that_it_may_have_sent(digest, resend):
    batch = ask(digest, daily=20)
    settle(batch, batch.letters[:6])
    recover(NOW + 2 * LEASE, resend)
    assert minutes() == [(6 + WIN, 0)]


def test_a_sender_that_wakes_up_after_its_claim_was_recovered_counts_what_it_sends_then(digest):
    batch = ask(digest, daily=20)
    recover(NOW + 2 * LEASE)
    with writing() as session:
        assert claims.release(session, batch, NOW + DAY, sent=3) is None
    assert minutes() == [(WIN, 0), (3, 0)]


def test_a_digest_leaves_room_for_a_confirm_letter_which_goes_out_at_once(digest):
    assert send(digest, 20) == 19
    sign_up()
    assert send(None, 20) == 1
    sign_up()
    assert send(None, 20) == 0, "the limit holds for them too"


def test_the_more_people_signed_up_lately_the_more_room_is_left_for_the_next_ones(digest):
    sign_up(4)
    assert send(None, 20) == 4
    assert send(digest, 20) == 20 - 4 - 4


def test_sign_ups_never_keep_more_than_half_from_a_digest(digest):
    sign_up(9)
    assert send(None, 20) == 9
    assert send(digest, 20) == 10


def test_a_limit_that_is_set_on_a_running_site_counts_the_day_before(digest):
    today = NOW + timedelta(hours=20)
    sign_up(2)
    assert send(digest, 0, limit=8) == 8
    assert send(None, 0, today - MINUTES) == 2
    running = ask(digest, today, limit=3)
    assert minutes() == []
    batch = ask(digest, today, daily=20)
    assert len(batch.letters) == 20 - 8 - 2 - 3 - 2
    assert minutes() == [(8, 0), (2, 2)]
    settle(running, running.letters, at=today)
    with writing() as session:
        claims.release(session, running, today, sent=3)
    assert minutes() == [(8, 0), (2, 2), (3, 0)], "whoever ends it"


def test_a_limit_that_was_off_for_a_while_counts_the_last_day_anew(digest):
    assert send(digest, 20, limit=5) == 5
    with writing() as session:
        daily_limit.forget(session)
    assert minutes() == []
    assert send(digest, 0, limit=10) == 10
    assert send(digest, 20) == 4


def test_a_sender_without_the_limit_counts_too_while_another_one_has_it(digest):
    assert send(digest, 20, limit=5) == 5
    assert send(digest, 0, limit=10) == 10
    assert ask(digest, limit=2).counted
    assert send(digest, 20) == 20 - 5 - 10 - 2 - 1


def test_a_clock_that_was_ahead_holds_nobody_up_for_longer_than_a_day(digest):
    assert send(digest, 20, NOW + timedelta(hours=40)) == 19
    assert send(digest, 20, NOW) == 0
    assert send(digest, 20, NOW + DAY - MINUTES) == 0
    assert send(digest, 20, NOW + DAY + 3 * MINUTES) == 11


def test_what_counts_no_more_is_deleted(digest):
    send(digest, 20, limit=5)
    assert send(digest, 20, NOW + DAY + timedelta(hours=2), limit=1) == 1
    assert minutes() == [(1, 0)]


def test_hosts_that_claim_at_the_same_moment_stay_under_it_together(digest):
    taken: list[int] = []

    def host() -> None:
        while number := send(digest, 20, limit=2):
            taken.append(number)

    hosts = [threading.Thread(target=host) for _ in range(4)]
    for each in hosts:
        each.start()
    for each in hosts:
        each.join()
    assert sum(taken) == 19


def test_without_a_limit_a_claim_asks_nothing_more(digest):
    asked: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *given: asked.append(given[2]))
    batch = ask(digest)
    assert isinstance(batch, Batch)
    with writing() as session:
        claims.release(session, batch, NOW)
    assert not [sql for sql in asked if "sent_minutes" in sql or "reserved" in sql]
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM sent_minutes")) == 0
