"""Breakers: what is a relay's and what a domain's, whichever release wrote the row."""

import importlib
from datetime import UTC, datetime, timedelta

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import bindparam, text

from db.deliveries.limits import breakers
from db.engine import engine
from db.session import Moment, reading, writing

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
RELAY = "smtp://relay.example:25"
OLD = text(
    "INSERT INTO relays (name, failures, since, open_until, reply) VALUES (:name, 1, :now, :later, '451 4.7.1 later')"
).bindparams(bindparam("now", NOW, Moment()), bindparam("later", NOW + timedelta(hours=1), Moment()))
"""What a process of the release before the column writes."""
KINDS = text("SELECT name, kind FROM relays")


def test_a_row_that_an_older_process_writes_beside_this_one_has_its_kind(database):
    with writing() as session:
        session.execute(OLD, {"name": "to slow.example"})
        session.execute(OLD, {"name": RELAY})
    with reading() as session:
        assert {each.server: each.kind for each in breakers.open_breakers(session)} == {
            "slow.example": "domain", RELAY: "relay",
        }  # fmt: skip
        assert breakers.failing_domains(session) == {"slow.example"}
        assert breakers.open_for_domains(session, ["slow.example", RELAY], NOW).keys() == {"slow.example"}


def test_a_row_from_before_the_upgrade_gets_its_kind(database):
    step = importlib.import_module("db.migrations.versions.0011_kind_of_breaker")
    with engine().connect() as connection:
        connection.execute(text("ALTER TABLE relays DROP COLUMN kind"))
        connection.execute(OLD, {"name": "to slow.example"})
        connection.execute(OLD, {"name": RELAY})
        with Operations.context(MigrationContext.configure(connection)):
            step.upgrade()
        assert dict(connection.execute(KINDS).all()) == {"to slow.example": "domain", RELAY: "relay"}
        connection.rollback()


def test_an_older_process_still_finds_the_domains_by_their_prefix(database):
    with writing() as session:
        breakers.domain_deferred(session, "slow.example", "451 4.7.1 later", NOW)
        assert session.scalars(text("SELECT name FROM relays WHERE name LIKE 'to %'")).all() == ["to slow.example"]


def test_a_letter_that_a_domain_takes_closes_its_breaker_alone(database):
    with writing() as session:
        breakers.domain_deferred(session, "slow.example", "451 4.7.1 later", NOW)
        breakers.domain_deferred(session, "full.example", "452 4.2.2 full", NOW)
    with writing() as session:
        breakers.domain_answered(session, "slow.example")
    with reading() as session:
        assert breakers.failing_domains(session) == {"full.example"}


def test_whoever_opened_a_breaker_can_still_say_whose_it_is_after_the_transaction(database):
    with writing() as session:
        breakers.refused(session, RELAY, "421 later", NOW)
        again = breakers.refused(session, RELAY, "421 later", NOW + timedelta(hours=1))
    assert (again.kind, again.server, again.failures) == ("relay", RELAY, 2)
