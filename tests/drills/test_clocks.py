"""Hosts whose clocks are wrong: real processes under libfaketime, beside a PostgreSQL that goes by the true time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.digests import digests, rule_history, schedule
from db.monitoring import heartbeats
from db.session import reading, writing
from db.votes import tallies, votes
from tests.conftest import load_catalogue
from tests.crash.conftest import nursery  # noqa: F401  a fixture
from tests.crash.deployment import Deployment
from tests.crash.processes import Nursery, until
from tests.crash.scene import SETTINGS, Scene

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)

pytestmark = [
    pytest.mark.outside,
    pytest.mark.timeout(300),
    pytest.mark.skipif(LIBRARY is None, reason="not installed: faketime (Debian's package)"),
]

SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select((), (), (), seconds)\n"
"""libfaketime takes the moment to which Python's own sleep goes on, by the monotonic clock, for one of the date."""

Host = Callable[..., Deployment]


@pytest.fixture
def scene(postgresql: str, setting, tmp_path: Path, nursery: Nursery) -> Iterator[Scene]:  # noqa: F811
    setting(**SETTINGS)
    made = Scene(tmp_path, postgresql, nursery)
    setting(MAIL_URL=made.mail.url)
    yield made
    made.close()


@pytest.fixture
def host(scene: Scene, tmp_path: Path) -> Iterator[Host]:
    """`host(90, SEND_RATE="60")`: another host, whose clock is so many seconds ahead."""
    made: list[Deployment] = []
    (tmp_path / "sitecustomize.py").write_text(SLEEP)

    def of(ahead: int, **settings: str) -> Deployment:
        faked = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"{ahead:+}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        faked["PYTHONPATH"] = str(tmp_path)
        environment = (
            scene.environment | {"SEND_LEASE": "10", "SEND_CONNECTIONS": "4"} | settings | (faked if ahead else {})
        )
        # A fork of a process that started without the library would go by the true time; and a host that starts sooner
        # than the other would take all letters.
        made.append(Deployment(tmp_path / f"host-{len(made)}", environment, *made[:1], as_they_stand=True))
        return made[-1]

    yield of
    for each in reversed(made):
        each.close()


def skews() -> list[int]:
    with reading() as session:
        return sorted(round(each.skew or 0) for each in heartbeats.running(session, datetime.now(UTC)))


def cast(number: int) -> None:
    with writing() as session:
        for _ in range(number):
            votes.cast(session, votes.new_voter(), 1, "ship", datetime.now(UTC))


def counted() -> int:
    with reading() as session:
        return tallies.figures(session, [1])[1].ship


@pytest.mark.parametrize("ahead", [90, 5, -90])
def test_votes_are_counted_and_letters_leave_though_both_hosts_are_wrong(scene, host, ahead):
    load_catalogue()
    scene.readers(200)
    scene.freeze()
    for each in (host(ahead), host(ahead)):
        each.start("worker", "sender", "clock")
    until(lambda: len(skews()) == 8, "the heartbeats of two workers, a sender and a clock on each host")
    assert skews() == [ahead] * 8
    scene.wait_until_nothing_is_owed(120)
    scene.reckon().assert_exact(0)
    cast(600)
    until(lambda: counted() == 600, "600 votes to be counted", 5)


@pytest.mark.parametrize("behind", [-90, 90])
def test_a_wrong_sender_s_leases_hold_and_it_takes_none_of_the_other_s(scene, host, behind):
    """Its clock is off by many leases; each host has letters in hand all the time."""
    scene.readers(600)
    scene.freeze()
    for ahead in (0, behind):
        host(ahead, SEND_RATE="60").start("sender")
    until(lambda: skews() == sorted([0, behind]), "both senders' heartbeats")
    scene.address()
    scene.wait_until_nothing_is_owed(120)
    scene.reckon().assert_exact(0)
    with reading() as session:
        assert all(each.taken_at for each in heartbeats.running(session, datetime.now(UTC)))


def test_a_host_ten_minutes_ahead_opens_no_digest_early(scene, host):
    load_catalogue(datetime.now(UTC) - timedelta(days=1))
    due = datetime.now(UTC) + timedelta(minutes=8)
    with writing() as session:
        schedule.started(session, "digest", datetime.now(UTC) - timedelta(days=30))
    weekly = {"DIGEST_SCHEDULE": f"{due:%a %H:%M}".upper(), "DIGEST_LEAD": "1m", "DIGEST_LATENESS": "1h"}
    host(600, **weekly).start("worker", "clock")

    def rule() -> str:
        with reading() as session:
            return rule_history.standing(session).in_words

    until(lambda: f"{due:%H:%M}" in rule() and skews()[-1:] == [600], "a tick that may open digests", 40)
    with reading() as session:
        assert [(each.slot, each.state) for each in digests.listed(session) if each.state != "expired"] == []
