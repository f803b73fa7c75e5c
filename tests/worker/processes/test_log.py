"""The log tells what went wrong, and nothing of whom it went wrong for."""

import logging
import sqlite3
from collections.abc import Callable, Iterator

import pytest
import structlog
from celery.beat import SchedulingError
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import worker.app  # noqa: F401  (it says how the log reads, and Celery's)
from db.session import reading
from worker import celery_log
from worker.processes.looks import Looks
from worker.processes.schedule import entry_of


def test_a_traceback_in_the_log_names_no_values(capsys):
    address = "alice@reader" + ".example"
    try:
        raise RuntimeError(f"cannot write to {len(address)}")
    except RuntimeError:
        structlog.get_logger("mail").exception("slice failed")
    said = capsys.readouterr().out
    assert "RuntimeError: cannot write to 20" in said
    assert "test_log.py" in said
    assert "alice@reader.example" not in said


def test_what_a_full_database_refuses_is_one_line_without_a_traceback(capsys):
    log = structlog.get_logger("mail")
    for number in range(3):
        try:
            raise OperationalError("INSERT INTO votes", {"voter": "alice"}, full())
        except OperationalError as error:
            if number == 2:
                log.error("digest step failed", exc_info=error)
            else:
                log.exception("digest step failed")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("error='OperationalError: database or disk is full'" in line for line in lines)
    assert "alice" not in str(lines)


def test_a_look_that_the_database_refuses_is_one_line(capsys, sqlite):
    def broken() -> None:
        raise OperationalError("INSERT INTO votes", {}, full())

    look_three_times(broken)
    [line] = capsys.readouterr().out.splitlines()
    assert "cannot work" in line
    assert "database or disk is full" in line


def test_a_look_with_a_mistake_of_ours_has_its_traceback_once(capsys, sqlite):
    def broken() -> None:
        with reading() as session:
            session.execute(text("SELECT 1 FROM nowhere"))

    look_three_times(broken)
    said = capsys.readouterr().out
    assert said.count("cannot work") == said.count("Traceback") / 2 == 1  # SQLAlchemy's error has a cause
    assert "no such table" in said


def look_three_times(work: Callable[[], object]) -> None:
    looks = Looks("worker", {entry_of("votes.fold"): work})
    for _ in range(3):
        looks.one(looks.looks["votes.fold"])


@pytest.fixture
def logger(caplog, monkeypatch) -> Iterator[Callable[[str], logging.Logger]]:
    """`logger("celery.beat")`: caplog hears it, even if a server that an earlier test began has set up logging anew."""
    heard = list[logging.Logger]()

    def get(name: str) -> logging.Logger:
        found = logging.getLogger(name)
        monkeypatch.setattr(found, "disabled", False)
        monkeypatch.setattr(found, "propagate", False)
        found.addHandler(caplog.handler)
        heard.append(found)
        return found

    yield get
    for each in heard:
        each.removeHandler(caplog.handler)


@pytest.mark.parametrize("error", [SchedulingError("no space left"), RedisError("MISCONF"), ConnectionError("gone")])
@pytest.mark.parametrize("name", celery_log.LOGGERS)
def test_celery_logs_a_server_that_refuses_in_one_line(caplog, logger, name, error):
    logger(name).error("Message Error: %s\n%s", error, ["a stack", "of frames"], exc_info=error)
    [record] = caplog.records
    assert logging.Formatter("%(message)s").format(record) == f"Message Error: {error}"


def test_celery_keeps_the_traceback_of_a_mistake_of_ours(caplog, logger):
    logger("celery.app.trace").error("Task failed", exc_info=LookupError("no such thing"))
    [record] = caplog.records
    assert "LookupError: no such thing" in logging.Formatter("%(message)s").format(record)


def full() -> sqlite3.Error:
    """The error of a database that has no room left."""
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count=1")
    with pytest.raises(sqlite3.OperationalError) as error:
        connection.execute("CREATE TABLE votes AS SELECT zeroblob(100000)")
    return error.value


def test_no_line_and_no_traceback_names_an_address(capsys, caplog):
    address = "Alice@reader.example"
    structlog.get_logger("mail").error("relay refuses", reply=f"550 <{address}>: who is that?")
    try:
        raise LookupError(f"no composer for {address.replace('@', '%40')}")
    except LookupError:
        structlog.get_logger("mail").exception("letter cannot be composed")
        logging.getLogger("flask").exception("Exception on /subscribe for %s", address)
    said = capsys.readouterr().out + caplog.text + capsys.readouterr().err
    assert "550 <a…@r….example>: who is that?" in said
    assert said.count("LookupError: no composer for a…@r….example") == 2
    assert "Exception on /subscribe for a…@r….example" in said
    assert "reader.example" not in said


def test_a_record_whose_arguments_do_not_fit_is_left_to_its_handler():
    record = logging.getLogRecordFactory()("any", logging.INFO, "file", 1, "%s and %s", ("one",), None)
    assert record.args == ("one",)
