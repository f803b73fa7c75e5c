"""`make bench` says what it could not measure, and counts it as a target that is not reached."""

import pytest

from tests.bench import postfix, run, servers, wire

COSTS = {"cpu_us": 1.0, "letters": 1, "per_second": 1.0, "peak_mb": 1.0}
COMPOSED = {"render": 1.0, "encode": 1.0, "message": 1.0, "bytes": 1.0}
VOTES = dict.fromkeys(("votes", "vote_cpu", "bare", "bare_cpu", "database_cpu", "ratio"), 1.0)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postfix's tools cannot be had."""

    def missing(folder: object) -> None:
        raise postfix.Missing("apt-get could not get postfix: no network")

    monkeypatch.setattr(postfix, "tools", missing)


@pytest.mark.usefixtures("nowhere")
def test_without_postfix_the_wire_is_not_reached(house, capsys):
    reached = wire.beside_postfix(house, letters=1, rounds=1)
    assert reached == [
        ("unsigned, over 4 connections: at least 0.7 of smtp-source: not measured", False),
        ("unsigned, claims and settles, over 1 connection: at least 0.9 of smtp-source: not measured", False),
        ("unsigned, claims and settles, over 4 connections: at least 0.78 of smtp-source: not measured", False),
        ("RSA-2048, over 4 connections: at least 0.5 of smtp-source: not measured", False),
    ]
    assert "not measured, apt-get could not get postfix: no network." in capsys.readouterr().out
    assert run.report(1.0, 1.0, COSTS, COMPOSED, VOTES, reached) == 1
    assert wire.told(reached) == 1
    assert (
        capsys.readouterr().out.count("✕ unsigned, over 4 connections: at least 0.7 of smtp-source: not measured") == 2
    )


def test_all_else_that_is_reached_ends_well():
    assert run.report(1.0, 1.0, COSTS, COMPOSED, VOTES, []) == 0


@pytest.mark.usefixtures("nowhere")
def test_without_postfix_letters_go_into_the_sink_of_our_own(house, capsys):
    with servers.taker(house) as port:
        assert port
    assert "no network" in capsys.readouterr().out
