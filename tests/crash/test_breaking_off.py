"""A sender is ended by an error or a time limit, not by a kill: only its current letter is in doubt."""

import time

import pytest
from sqlalchemy import select

from db.deliveries import settlements
from db.deliveries.claims import Claim
from db.session import reading
from emails.smtp import SmtpTransport
from tests.crash.scene import Scene
from worker import send_slice


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
