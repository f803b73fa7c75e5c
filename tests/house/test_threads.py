"""No thread of the product outlives its test, so none reads the settings or asks the database of a later one."""

import threading

import pytest

from db.session import ring, writing
from tests import applications, threads
from web.operator.frame.cached import Entry


def test_a_count_that_no_page_waited_for_ends_before_the_next_test(sqlite):
    before, may_answer, entry = set(threading.enumerate()), threading.Event(), Entry[int]()
    entry.begin(lambda session: int(may_answer.wait(30)))
    threading.Timer(0.05, may_answer.set).start()
    threads.wait_until_ended(before)
    assert entry.answer == 1


def test_a_thread_that_lives_on_is_named(sqlite):
    before, may_answer = set(threading.enumerate()), threading.Event()
    Entry[int]().begin(lambda session: int(may_answer.wait(30)))
    with pytest.raises(AssertionError, match="live on: question"):
        threads.wait_until_ended(before, patience=0.01)
    may_answer.set()


def test_a_vote_on_a_page_starts_no_bell_which_would_ring_into_the_next_test(sqlite):
    before = set(threading.enumerate())
    applications.application()
    with writing() as session:
        ring(session, "votes")
    assert [each.name for each in threading.enumerate() if each not in before] == []
