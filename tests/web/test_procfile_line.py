"""When a line of the Procfile is started again, and when it is given up."""

import errno
from types import SimpleNamespace

import pytest

from web.processes import no_room, procfile_line
from web.processes.no_room import Room
from web.processes.procfile_line import ProcfileLine


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch) -> Time:
    made = Time()
    monkeypatch.setattr(procfile_line, "time", made)
    monkeypatch.setattr(no_room, "time", made)
    ended = SimpleNamespace(code=1, poll=lambda: 1, signal=lambda _: None)
    monkeypatch.setattr(procfile_line, "LineProcess", lambda *_: ended)
    return made


def lived(line: ProcfileLine, time: Time, *seconds: float) -> float:
    """Let it live so long, again and again. Returns how long it then waits."""
    for each in seconds:
        line.start({}, forks=False)
        time.now += each
        line.clear_up()
        ended = time.now
        while not line.may_start:
            time.now += 0.5
    return time.now - ended


def test_one_that_never_runs_is_given_up(time):
    line = ProcfileLine("ill", "false")
    assert [lived(line, time, 1) for _ in range(3)] == [1, 2, 3]
    assert not line.is_hopeless
    lived(line, time, 1)
    assert line.is_hopeless


def test_one_that_has_run_well_is_tried_for_ever_after_longer_and_longer_waits(time):
    line = ProcfileLine("web", "gunicorn")
    assert lived(line, time, 11) == 0
    assert [lived(line, time, 1) for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert lived(line, time, *[1] * 50) == procfile_line.LONGEST_PAUSE_SECONDS
    assert not line.is_hopeless
    assert lived(line, time, 11, 1) == 1


def test_waits_for_room_grow_and_begin_anew_once_there_was_some(time):
    room, said = Room(), ""
    for _ in range(7):
        assert room.may_try()
        said += room.refused("web", OSError(errno.ENOMEM, "Cannot allocate memory"))
        assert not room.may_try()
        time.now += no_room.LONGEST_PAUSE_SECONDS
    assert [words.split()[2] for words in said.split("Trying")[1:]] == ["1", "2", "4", "8", "16", "30", "30"]
    assert "web cannot be started: the machine is out of memory. Trying again in 1 s." in said
    room.found()
    assert room.refused("web", OSError(errno.ENFILE, "File table overflow")) == (
        "web cannot be started: file table overflow. Trying again in 1 s."
    )
