"""A host whose clock is two seconds off is named: to operators by mail, on the console's strip, and by the doctor."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from db import moments
from db.monitoring import clocks
from db.monitoring.heartbeats import Heartbeat
from db.session import reading, writing
from web.cli import main
from web.operator.frame import health
from worker.alerts.clocks import clocks_that_are_off


def runs(host: str, skew: float | None, pid: int = 1, kind: str = "clock", lived: float = 0) -> None:
    now = datetime.now(UTC) - timedelta(seconds=lived)
    with writing() as session:
        session.add(
            Heartbeat(process=f"{host}:{pid}", kind=kind, host=host, started_at=now, at=now, alive_at=now, skew=skew)
        )


def off() -> dict[str, timedelta]:
    with reading() as session:
        return clocks.off(session, datetime.now(UTC))


@pytest.mark.parametrize(("skew", "named"), [(None, False), (0.0, False), (1.9, False), (2.0, True), (-2.0, True)])
def test_two_seconds_are_the_limit(database, skew, named):
    runs("north", skew)
    assert bool(off()) is named


def test_a_host_is_named_once_with_the_worst_that_its_processes_tell(database):
    runs("north", 4.0, 1)
    runs("north", -95.0, 2)
    runs("south", 3.0, 3)
    runs("gone", 90.0, 4, lived=30)
    assert off() == {"north": timedelta(seconds=-95), "south": timedelta(seconds=3)}


def test_the_alert_names_host_and_seconds(database):
    runs("north", 89.998)
    with reading() as session:
        [condition] = clocks_that_are_off(session, datetime.now(UTC))
    assert (condition.key, condition.title) == ("skew:north", "The clock of host north is 90 s ahead")


def test_the_strip_names_the_host_beside_the_clock(database):
    runs("north", -3.2)
    with reading() as session:
        sign = health._clock(session, datetime.now(UTC))
    assert (sign.word, sign.small, sign.level) == ("off", "north is 3 s behind", "warn")


def test_the_doctor_names_other_hosts(sqlite, redis_url):
    runs("north", 90.0)
    told = CliRunner().invoke(main, ["doctor"])
    assert told.exit_code == 0
    assert "! clock: the clock of host north is 90 s ahead of the database's: let NTP keep it right" in told.output


@pytest.mark.parametrize(("seconds", "sign", "code"), [(3, "!", 0), (90, "✕", 1)])
def test_the_doctor_names_the_machine_on_which_it_runs(sqlite, redis_url, monkeypatch, seconds, sign, code):
    monkeypatch.setattr(moments, "_skew", timedelta(seconds=seconds))
    told = CliRunner().invoke(main, ["doctor"])
    assert told.exit_code == code
    assert f"{sign} clock: this machine's clock is {seconds} s ahead of the database's" in told.output
