"""The faults that `make crash` injects while a digest is sent: each function returns how many it injected."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Sequence

import psycopg
from sqlalchemy import text

from db.engine import BUSY_SECONDS, engine
from tests.crash.deployment import Deployment
from tests.crash.processes import Child, until
from tests.crash.readers import Readers
from tests.crash.scene import LEASE, Scene

Harm = Callable[[Scene, random.Random, int], int]
IN_TRANSACTION = ("claiming", "releasing")
STAGES = ("claimed", "mail", "body", "dot", "reply", "settled")
SERVER_STAGES = ("mail", "rcpt", "data", "body", "dot", "reply")


def at_a_stage(scene: Scene, chance: random.Random, stages: Sequence[str]) -> Child | None:
    """A sender that waits at a random stage of a random letter; None if too few letters are left to get there."""
    stage = chance.choice(stages)
    once_a_batch = stage in ("claimed", *IN_TRANSACTION)
    sender = scene.fork("send", stage, 1 if once_a_batch else chance.randint(1, 20))
    if sender.reaches_stage(lambda: not scene.account().states["pending"]):
        return sender
    assert not scene.account().states["pending"], f"no sender came to {stage}, though letters wait"
    return None


def kill_at_any_moment(scene: Scene, chance: random.Random, most: int) -> int:
    senders = [scene.fork("send") for _ in range(2)]
    for done in range(most):
        time.sleep(chance.uniform(0.02, 0.4))
        if not scene.owed():
            return done
        senders.pop(0).kill()
        senders.append(scene.fork("send"))
    return most


def kill_at_each_stage(scene: Scene, chance: random.Random, most: int) -> int:
    done = 0
    while done < most and (sender := at_a_stage(scene, chance, STAGES + IN_TRANSACTION)):
        sender.kill()
        done += 1
    scene.fork("send")
    return done


def stop_past_the_lease(scene: Scene, chance: random.Random, most: int) -> int:
    """Stop senders with SIGSTOP, half of them at a stage, half at a random moment. Wake them once their leases have
    lapsed and another sender has taken over their letters."""
    asleep: list[Child] = []
    for turn in range(most):
        if turn % 2:
            found = at_a_stage(scene, chance, STAGES)
            if found is None:
                break
            sender = found
            sender.stop()
            sender.go_on()
        else:
            sender = scene.fork("send")
            time.sleep(chance.uniform(0.1, 0.4))
            stop_between_transactions(sender)
        asleep.append(sender)
    time.sleep(LEASE + 0.5)
    scene.fork("send")
    until(lambda: not scene.owed(), "all that the sleepers do not hold")
    for sender in asleep:
        sender.wake()
    with contextlib.suppress(AssertionError):  # letters that stay in doubt are counted later, against the trial's limit
        until(lambda: not scene.account().states["unknown"], "the sleepers' own words", 20)
    return len(asleep)


def stop_between_transactions(sender: Child) -> None:
    """Stop the sender at a moment when it holds no write lock. With the lock, it would block all other senders, and
    nobody could take over its letters, which is what the test is about."""
    for _ in range(200):
        sender.stop()
        if not writer_waits():
            return
        sender.wake()
        time.sleep(0.003)
    raise AssertionError("the writer's place is never free")


def stop_in_a_transaction(scene: Scene, chance: random.Random, most: int) -> int:
    """Stop senders while they hold SQLite's write lock, or on PostgreSQL the row that every claim locks, for longer
    than others wait for it; PostgreSQL ends such an idle session. Every second one is killed, the others are woken."""
    scene.fork("send", **_IMPATIENT)
    for turn in range(most):
        if not scene.owed():
            return turn
        stages = (*IN_TRANSACTION, "settling") if engine().dialect.name == "sqlite" else IN_TRANSACTION
        sender = scene.fork("send", chance.choice(stages), **_IMPATIENT)
        sender.wait_for_stage()
        sender.stop()
        sender.go_on()
        time.sleep(chance.uniform(1.5, LEASE + 1))
        if turn % 2:
            sender.kill()
        else:
            sender.wake()
        taken = len(scene.mail.letters())
        until(lambda before=taken: len(scene.mail.letters()) > before or not scene.owed(), "the next letter")
    scene.fork("send")
    return most


_IMPATIENT = {"CRASH_PATIENCE": "1", "SEND_RATE": "60"}
"""Locks are waited for one second instead of fifteen, and sending is slow enough for letters to last for every stop."""


def writer_waits() -> bool:
    """Whether a process holds SQLite's write lock, or on PostgreSQL the row that every claim locks."""
    with engine().connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        raw = connection.connection.dbapi_connection
        assert raw
        cursor = raw.cursor()
        try:
            for order in _PROBE_SQLITE if sqlite else _PROBE_POSTGRESQL:
                cursor.execute(order)
        except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
            return True
        finally:
            raw.rollback()
            connection.info.clear()  # what it was told before no longer holds
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}" if sqlite else "SELECT 1")
        return False


_PROBE_SQLITE = ("PRAGMA query_only = OFF", "PRAGMA busy_timeout = 200", "BEGIN IMMEDIATE")
_PROBE_POSTGRESQL = ("SET LOCAL lock_timeout = '200ms'", "SELECT 1 FROM allowances FOR UPDATE")


def kill_the_mail_server(scene: Scene, chance: random.Random, most: int) -> int:
    for _ in range(2):
        scene.fork("send")
    for done in range(most):
        time.sleep(chance.uniform(0.1, 0.5))
        if not scene.owed():
            return done
        scene.mail.kill()
        time.sleep(chance.uniform(0, 0.3))
        scene.mail.start()
    return most


def hang_up_at_each_step(scene: Scene, chance: random.Random, most: int) -> int:
    for _ in range(2):
        scene.fork("send")
    for done in range(most):
        if not scene.owed():
            return done
        scene.mail.order(do="drop", stage=chance.choice(SERVER_STAGES), times=1)
        time.sleep(chance.uniform(0.1, 0.4))
    return most


def kill_while_addressing(scene: Scene, chance: random.Random, most: int) -> int:
    for _ in range(most):
        worker = scene.fork("tick", chance.choice(("addressing", "addressed")), chance.randint(1, 3))
        worker.wait_for_stage()
        worker.kill()
    for role in ("tick", "tick", "send", "send"):
        scene.fork(role)
    return most


def cut_the_database_connections(scene: Scene, chance: random.Random, most: int) -> int:
    """End the senders' PostgreSQL sessions at random moments, so that the replies to some commits are lost."""
    for _ in range(2):
        scene.fork("send", PGAPPNAME="sender")
    for done in range(most):
        time.sleep(chance.uniform(0.05, 0.4))
        if not scene.owed():
            return done
        with engine().connect() as connection:
            connection.execute(text(_CUT))
            connection.commit()
    return most


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sender'"


def kill_what_the_procfile_starts(scene: Scene, chance: random.Random, most: int) -> int:
    given = scene.environment | {"SEND_RATE": "150", "SEND_CONNECTIONS": "2"}
    deployment = Deployment(scene.folder, given, as_they_stand=True)
    try:
        deployment.start_sending(scene)
        for done in range(most):
            taken = len(scene.mail.letters())
            until(lambda before=taken: len(scene.mail.letters()) > before + 20 or scene.done(), "letters", 45)
            if scene.done():
                return done
            what = chance.choice(("sender's child", "redis and its data", "clock", "worker", "sender", "mail server"))
            if what == "mail server":
                scene.mail.kill()
                scene.mail.start()
            else:
                deployment.kill(what)
        scene.wait_until_nothing_is_owed(patience=180)
    finally:
        deployment.close()
    return most


def kill_the_web(deployment: Deployment, readers: Readers, chance: random.Random, most: int, answers: int) -> int:
    """Kill by turns all of the web's processes and one of its workers. After each kill wait until the web has answered
    more than `answers` further requests."""
    for turn in range(most):
        time.sleep(chance.uniform(0.1, 0.6))
        deployment.kill("web's child" if turn % 2 else "web")
        told = readers.answered

        def answered(before: int = told) -> bool:
            deployment.keep_alive("web")  # the server may have ended with the worker
            return readers.answered > before + answers

        until(answered, "answers from the web")
    return most
