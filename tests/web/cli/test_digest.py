"""`verdicts digest check`: the account is proved, or shown to be off."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db.session import writing
from tests.claiming import make_digest
from web.cli import main

SLOT = "2026-W47"


def check(*options: str, code: int) -> str:
    done = CliRunner().invoke(main, ["digest", "check", SLOT, *options])
    assert done.exit_code == code, done.output
    return done.output


def test_an_account_that_holds_is_proved(database):
    make_digest(5)
    told = check(code=0)
    assert "✓ Totals match" in told
    assert json.loads(check("--json", code=0))["holds"] is True


@pytest.mark.parametrize(
    ("harm", "numbers"),
    [
        ("DELETE FROM deliveries WHERE person = 'subscriber:3'", (5, 4, 4)),
        ("UPDATE digests SET audience = 6", (6, 5, 5)),
    ],
    ids=["a letter is missing", "a reader is missing"],
)
def test_an_account_that_is_off_is_said_with_its_three_numbers(database, harm, numbers):
    make_digest(5)
    with writing() as session:
        session.execute(text(harm))
    audience, rows, states = numbers
    told = check(code=1)
    assert f"✕ Totals do not match: audience {audience}, rows {rows}, states {states}\n" in told
    assert "holds" not in told
    found = json.loads(check("--json", code=1))
    assert (found["holds"], found["audience"], found["rows"]) == (False, audience, rows)
