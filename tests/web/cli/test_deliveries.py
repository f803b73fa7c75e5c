"""`verdicts deliveries list`: an empty list says whether the filter or the digest is why."""

from click.testing import CliRunner

from tests.claiming import make_digest
from web.cli import main

SLOT = "2026-W47"


def listed(*options: str) -> str:
    done = CliRunner().invoke(main, ["deliveries", "list", SLOT, *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_filter_that_fits_no_letter_is_named_as_the_reason(sqlite):
    make_digest(2)
    assert "2026-W47 has no deliveries" not in listed()
    assert listed("--code", "550") == "No delivery of 2026-W47 matches.\n"


def test_a_digest_to_nobody_has_no_deliveries(sqlite):
    make_digest(0)
    assert listed() == "2026-W47 has no deliveries.\n"
