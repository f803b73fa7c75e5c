"""A process has no more sessions than it may have, and gives back those that it does not need."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from db import engine, refusals
from db.driver import driver_connection
from db.errors import OperationalError, PoolTimeout
from db.session import reading
from tests.crash.processes import until

OWN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def few(postgresql, monkeypatch) -> Iterator[psycopg.Connection]:
    """Three sessions at most, and somebody who counts them."""
    monkeypatch.setattr(engine, "_most", 3)
    monkeypatch.setattr(engine, "POOL_SECONDS", 1.0)
    address = make_url(postgresql).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as counting:
        before = counted(counting)
        counting.known = before  # type: ignore[attr-defined]
        yield counting


def counted(by: psycopg.Connection) -> int:
    [number] = by.execute(OWN).fetchone()  # type: ignore[misc]
    return number - getattr(by, "known", 0)


def one() -> None:
    with reading() as session:
        session.scalar(text("SELECT pg_sleep(0.02)"))


def test_twenty_threads_share_three_sessions(few):
    most = []
    with ThreadPoolExecutor(20) as pool:
        work = [pool.submit(one) for _ in range(30)]
        while not all(each.done() for each in work):
            most.append(counted(few))
    assert [each.exception() for each in work] == [None] * 30
    assert max(most) == 3


def test_who_gets_none_is_told_soon_and_the_others_go_on(few):
    with ExitStack() as held:
        drivers = [held.enter_context(driver_connection()) for _ in range(3)]
        began = time.monotonic()
        with pytest.raises(PoolTimeout) as refused, driver_connection():
            pass
        assert time.monotonic() - began < 20
        assert refusals.refusal(refused.value)
        assert [each.fetch("SELECT 1", ()) for each in drivers] == [[(1,)]] * 3
    one()


def test_trouble_of_one_session_lets_nobody_open_more_than_before(few):
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(driver_connection())
        one()
        refusals.in_trouble(engine.engine())
        until(lambda: counted(few) == 2, "the end of the idle one")
        one()
        with driver_connection(), pytest.raises(PoolTimeout):
            one()
    until(lambda: counted(few) <= 1, "the end of all that were open when there was trouble")


def test_sessions_without_use_are_given_back_and_opened_again(few):
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(driver_connection())
    one()
    engine.close_idle(60)
    assert counted(few) == 3
    time.sleep(0.2)
    one()  # the one that was returned last
    engine.close_idle(0.2)
    until(lambda: counted(few) == 1, "the end of two")
    engine.close_idle(0)
    until(lambda: counted(few) == 0, "the end of the third")
    one()


def test_a_session_that_cannot_be_opened_takes_nobody_s_place(few, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("db.postgresql.set_up", lambda _: 1 / 0)
        for _ in range(5):
            with pytest.raises(OperationalError):
                one()
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(driver_connection())


def test_a_smaller_number_holds_from_then_on(few):
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(driver_connection())
        engine.sessions_at_most(1)
    until(lambda: counted(few) == 1, "the end of two")
    with driver_connection(), pytest.raises(PoolTimeout):
        one()


def test_what_a_replaced_pool_had_lent_is_closed_on_its_return(few):
    with driver_connection():
        engine.engine().dispose()
        assert counted(few) == 1
    until(lambda: counted(few) == 0, "the end of it")
    threading.Thread(target=one).start()
    until(lambda: counted(few) == 1, "a new one")
