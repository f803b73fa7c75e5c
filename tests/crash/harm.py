"""The kinds of harm that `make crash` does to a digest on its way; each returns how often it did it."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Sequence

import psycopg
from sqlalchemy import text

from db.session import BUSY_SECONDS, engine
from tests.crash.deployment import Deployment
from tests.crash.processes import Child, until
from tests.crash.readers import Readers
from tests.crash.scene import LEASE, Scene

Harm = Callable[[Scene, random.Random, int], int]
IN_TRANSACTION = ("claiming", "releasing")
STAGES = ("claimed", "mail", "body", "dot", "reply", "settled")
SERVER_STAGES = ("mail", "rcpt", "data", "body", "dot", "reply")


def at_a_stage(scene: Scene, chance: random.Random, stages: Sequence[str]) -> Child | None:
    """A sender that waits at some stage of some letter; None when the digest has no letter left for that."""
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
    """Some sleep at a stage, some wherever the signal meets them; all wake when their letters are others'."""
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
    with contextlib.suppress(AssertionError):  # what stays in doubt is reckoned, and has its own bound
        until(lambda: not scene.account().states["unknown"], "the sleepers' own words", 20)
    return len(asleep)


def stop_between_transactions(sender: Child) -> None:
    """A sleeper with the writer's place in its hand would keep all others waiting: then there is no fence to try."""
    for _ in range(200):
        sender.stop()
        if not writer_waits():
            return
        sender.wake()
        time.sleep(0.003)
    raise AssertionError("the writer's place is never free")


def stop_in_a_transaction(scene: Scene, chance: random.Random, most: int) -> int:
    """One sleeps with the writer's place, or with the row that every claim locks, in its hand, past all patience; on
    PostgreSQL the database ends its session meanwhile. Every second one never wakes."""
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
"""One second instead of fifteen; and slow enough that the letters last for every stop."""


def writer_waits() -> bool:
    """Whether somebody keeps the writer's place on SQLite, or the row that every claim locks on PostgreSQL."""
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
    """Answers to commits are lost: PostgreSQL ends the sessions of the senders, whatever they are at."""
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
    deployment = Deployment(scene.folder, scene.environment | {"SEND_RATE": "150", "SEND_CONNECTIONS": "2"})
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
    """The whole line, or one of the processes that answer; each time that many readers have to be answered again."""
    for turn in range(most):
        time.sleep(chance.uniform(0.1, 0.6))
        deployment.kill("web's child" if turn % 2 else "web")
        told = readers.answered

        def answered(before: int = told) -> bool:
            deployment.keep_alive("web")  # granian gives up when a process of its own dies twice within seconds
            return readers.answered > before + answers

        until(answered, "answers from the web")
    return most
