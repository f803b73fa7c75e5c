"""A GET only asks: whatever is opened, scanned or previewed, no table changes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from db.digests import digests
from db.operators.audit import Actor
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscriptions
from db.tables import TABLES
from db.votes import votes
from emails import links
from tests import walking
from web.actions.accounts import accounts
from web.app import create_app


def contents() -> dict[str, list[tuple]]:
    """Every row of every table."""
    with reading() as s:
        return {name: [tuple(row) for row in s.execute(select(table))] for name, table in TABLES.tables.items()}


def addresses(app, catalogue) -> list[str]:
    """Every GET route, with whatever its parts can be; links of every purpose, as they stand in letters."""
    keys = settings().keys
    tokens = {
        purpose: links.sign(keys, purpose, 1) for purpose in ("confirm", "unsubscribe", "preferences", "vote")
    } | {"nonsense": "x" * 40}
    parts = {
        "slug": [catalogue.comparison, "quillmate", "nothing"],
        "slot": ["2026-W47", "2026-W99"],
        "token": list(tokens.values()),
        "name": ["1.letter"],
        "filename": ["verdicts.css"],
        "subscriber_id": ["1", "99"],
    }
    return walking.addresses(app, parts)


def sign_in(client) -> None:
    """Let the browser be an admin's, to whom every page of the console opens."""
    link = accounts.add(Actor("command: tester"), "dana@newsroom.example", "admin", datetime.now(UTC))
    accounts.accept(link.rsplit("/", 1)[1], "a lantern over the harbour", None, datetime.now(UTC))
    token = re.search('name="csrf_token" value="([^"]+)"', client.get("/operator/login").text)[1]
    form = {"address": "dana@newsroom.example", "password": "a lantern over the harbour", "csrf_token": token}
    assert client.post("/operator/login", data=form).status_code == 303


@pytest.mark.parametrize(("database", "method"), [("sqlite", "GET"), ("postgresql", "GET"), ("sqlite", "HEAD")],
                         indirect=["database"])  # fmt: skip
def test_no_get_or_head_changes_a_row(catalogue, method):
    now = datetime.now(UTC)
    with writing() as s:
        subscriptions.request(
            s, "alice@reader.example", words="Yes", words_version="1", locale="en", form_url="/", ip=None,
            user_agent=None, now=now,
        )  # fmt: skip
        votes.cast(s, votes.new_voter(), catalogue.quillmate, "ship", now)
        digests.open_slot(s, "2026-W47", now + timedelta(hours=1), now)
    app = create_app()
    client = app.test_client()
    sign_in(client)
    before = contents()
    opened = addresses(app, catalogue)
    assert len(opened) > 12
    for address in opened:
        answer = client.open(address + "?tool=quillmate&choice=ship", method=method)
        assert answer.status_code < 500, address
    assert contents() == before
    assert client.get("/operator").status_code == 200  # nor did any of them sign the admin out
