"""Threads of one process write down in SQLite by turns, through their kept connections."""

import os
import threading

import pytest
from sqlalchemy.exc import OperationalError

from db.session import ledger

pytestmark = pytest.mark.usefixtures("sqlite")


def test_who_waits_is_let_in_as_soon_as_the_one_before_has_committed():
    order: list[str] = []
    waits, over = threading.Event(), threading.Event()

    def second() -> None:
        with ledger() as book:
            waits.set()
            with book.transaction():
                order.append("second")
        over.set()

    with ledger() as book:
        with book.transaction():
            thread = threading.Thread(target=second)
            thread.start()
            assert waits.wait(20)
            order.append("first")
        assert over.wait(20)
    thread.join()
    assert order == ["first", "second"]


def test_a_turn_that_does_not_come_is_a_locked_database():
    locked = pytest.raises(OperationalError, match="locked")
    with ledger() as one, one.transaction(), locked, ledger() as other, other.transaction(0.01):
        pass


def test_an_order_that_fails_ends_its_turn():
    with pytest.raises(OperationalError), ledger() as book, book.transaction():
        book.order("UPDATE nothing SET at_all = 1", ())
    with ledger() as book, book.transaction(0.01):
        pass


def test_a_forked_child_does_not_wait_for_its_parents_threads():
    with ledger() as book, book.transaction():
        child = os.fork()
        if child == 0:
            from db import session

            os._exit(0 if session._turn.acquire(timeout=10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
