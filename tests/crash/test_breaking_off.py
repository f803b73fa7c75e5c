"""A sender is ended by an error or a time limit, not by a kill: only its current letter is in doubt."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import select

from db import driver, session
from db.deliveries.claiming import settlements
from db.deliveries.claiming.claims import Claim
from db.driver import DriverConnection
from db.session import reading
from emails.transports.smtp import SmtpTransport
from tests.crash.scene import Scene
from worker.sending import send_slice, slice_run


def states(scene: Scene) -> dict[str, int]:
    with reading() as session:
        assert session.scalars(select(Claim.id)).all() == []
    return {state: number for state, number in scene.account().states.items() if number}


def after(number: int, monkeypatch: pytest.MonkeyPatch, room: object, name: str, error: BaseException) -> None:
    """Patch a function so that its n-th call does its work and then raises `error`."""
    real, calls = getattr(room, name), iter(range(1, 1_000_000))

    def failing(*given, **named):
        result = real(*given, **named)
        if next(calls) == number:
            raise error
        return result

    monkeypatch.setattr(room, name, failing)


def test_a_time_limit_amid_a_letter_leaves_doubt_about_that_letter_alone(scene: Scene, setting, monkeypatch):
    setting(SEND_CONNECTIONS=1)
    scene.readers(30)
    scene.freeze()
    scene.address()
    after(13, monkeypatch, SmtpTransport, "send", SystemExit())
    with pytest.raises(SystemExit):
        send_slice.run_slice(time.monotonic() + 10)
    assert states(scene) == {"sent": 12, "unknown": 1, "pending": 17}
    send_slice.run_slice(time.monotonic() + 10)
    scene.reckon().assert_exact(1)


def test_a_settlement_whose_answer_is_lost_leaves_no_doubt(scene: Scene, setting, monkeypatch):
    setting(SEND_CONNECTIONS=1)
    scene.readers(30)
    scene.freeze()
    scene.address()
    after(2, monkeypatch, settlements, "settle", ConnectionError("the answer was lost"))
    send_slice.run_slice(time.monotonic() + 10)
    found = states(scene)
    assert found.keys() == {"sent", "pending"}
    send_slice.run_slice(time.monotonic() + 10)
    scene.reckon().assert_exact(0)


class Loser:
    """Carries out what is asked of PostgreSQL, but loses the n-th answer on its way back, once."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise psycopg.OperationalError("server closed the connection unexpectedly")


def lose_a_commits(loser: Loser, monkeypatch: pytest.MonkeyPatch) -> None:
    real = session.writing

    @contextlib.contextmanager
    def writing() -> Iterator[session.Session]:
        with real() as opened:
            yield opened
        loser()

    monkeypatch.setattr(session, "writing", writing)


def lose_a_statements(loser: Loser, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fetch", "execute"):
        real = getattr(driver.DriverConnection, name)

        def losing(self: DriverConnection, *given, real=real):
            answer = real(self, *given)
            loser()
            return answer

        monkeypatch.setattr(driver.DriverConnection, name, losing)


def send_everything(scene: Scene) -> None:
    while not scene.done():
        with contextlib.suppress(slice_run.SliceFailed):
            send_slice.send()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("lose_one", "step"), [(lose_a_commits, 1), (lose_a_statements, 2)], ids=["commit", "statement"]
)
def test_whichever_answer_of_postgresql_is_lost_no_letter_is_in_doubt(
    scene: Scene, setting, monkeypatch, lose_one: Callable[[Loser, pytest.MonkeyPatch], None], step: int
):
    setting(SEND_CONNECTIONS=1, SEND_LEASE=60)
    scene.readers(3)
    for number in itertools.count(1, step):
        scene.freeze()
        scene.address()
        loser = Loser(number)
        with monkeypatch.context() as patch:
            lose_one(loser, patch)
            send_everything(scene)
        assert states(scene) == {"sent": 3}
        scene.reckon().assert_exact(0)
        if loser.left > 0:  # there were fewer answers than that
            break
    assert number > 3
