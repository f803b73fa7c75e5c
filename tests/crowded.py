"""Fills a database for performance tests by SQL: a million readers, a digest being sent to them, failed jobs, votes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from db import signing_keys
from db.digests import catalog, digests, schedule
from db.engine import engine
from db.session import writing
from db.webhooks import webhooks
from db.webhooks.event_types import TYPES
from db.webhooks.urls import ReadUrl
from tests.filler import Filler
from worker.digests import freezing

GROUPS = 30
TRIES = 6
FINISHED = 11
SETTLED = 0.61
"""The share of the current digest's letters that senders have come to; one in sixty of those is not simply sent."""


@dataclass(frozen=True, slots=True)
class Size:
    """The number of rows of each kind."""

    readers: int = 1_000_000
    dead: int = 10_000
    succeeded: int = 100_000
    votes: int = 100_000
    orders: int = 10_000
    operators: int = 50
    finished: int = 5_000
    singles: int = 20_000
    messages: int = 2_000


def fill(size: Size, slot: str | None = None, say: Callable[[str], None] = lambda line: None) -> str:
    """Fill an empty migrated database. Returns the slot of the digest that is being sent."""
    now = datetime.now(UTC)
    rule = schedule.of_digests()
    slot = slot or rule.slot_of(now)
    signing_keys.forget_checks()
    signing_keys.record()  # before there are suppressions, whose hashes here are made up
    for each in (_people, _catalogue, _digests, _letters, _jobs, _votes, _console, _webhooks):
        began = time.monotonic()
        with writing(durable=False) as session:
            each(Filler(session, now), session, size, now)
        say(f"{each.__name__[1:]} in {time.monotonic() - began:.0f} s")
    return slot


def age() -> None:
    """Update the planner's statistics as the product (SQLite) or autovacuum (PostgreSQL) does, then change some rows.

    On SQLite only `deliveries` has statistics: the product runs ANALYZE on it once a digest is addressed.
    """
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("ANALYZE deliveries")
            return
        connection.exec_driver_sql("VACUUM ANALYZE")
        # A fifth of a table may change before autovacuum runs. The visibility map lacks the changed pages until then.
        lately = "UPDATE deliveries SET tries = tries WHERE letter = 'digest' AND about = 1 AND state = 'sent'"
        connection.exec_driver_sql(f"{lately} AND mod(id, 8) = 0")


# ---- readers -------------------------------------------------------------------------------------------------


def _people(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    """Subscribers, all of whom came within about a year. A few percent have left, were erased, or are unconfirmed."""
    number, year = size.readers, 400 * 86_400
    came = f"i * ({year}.0 / {number})"
    state = "CASE WHEN i % 40 = 1 THEN 'unsubscribed' WHEN i % 90 = 2 THEN 'pending' ELSE 'active' END"
    filler.fill(
        "subscribers", number, address="'reader-' || i || '@reader.example'",
        address_key="'reader-' || i || '@reader.example'", state=state, created_at=filler.ago(f"{year} - {came}"),
        confirmed_at=filler.ago(f"{year} - {came} - 300"), joined="0",
        time_zone="CASE WHEN i % 5 = 0 THEN 'Europe/Berlin' END",
        paused_until=f"CASE WHEN i % 500 = 3 THEN {filler.ago('-864000')} END",
    )  # fmt: skip
    filler.order("UPDATE subscribers SET \"left\" = 0 WHERE state = 'unsubscribed'")
    filler.order("UPDATE subscribers SET joined = NULL, confirmed_at = NULL WHERE state = 'pending'")
    for what, source, where in (
        ("asked", "the form", ""),
        ("given", "confirm link", "state <> 'pending'"),
        ("withdrawn", "link in a letter", "state = 'unsubscribed'"),
    ):
        filler.fill(
            "consents", 1, "subscribers", where, subscriber_id="id", what=f"'{what}'", at="created_at",
            address="address", words="'Yes, send me the letter.'", words_version="'1'", locale="'en'",
            source=f"'{source}'", ip="'198.51.100.7'", user_agent="'Mozilla/5.0'",
        )  # fmt: skip
    reasons = "CASE i % 4 WHEN 0 THEN 'complaint' WHEN 1 THEN 'hard bounce' ELSE 'by hand' END"
    filler.fill("suppressions", number // 50, address_hash="'1:' || i || 'b7e2c4'", reason=reasons,
                at=filler.ago("i * 60"), subscriber_id="i * 40 + 1")  # fmt: skip


def _catalogue(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    catalog.put_reviewer(session, "The Builder", "What can I make with it on Monday?")
    for at in range(20):
        fields = {name: f"{name} of tool {at}" for name in ("name", "category", "tagline", "entry", "summary")}
        said = [("The Builder", "ship" if at % 3 else "skip", "It drafts, I decide.")]
        catalog.put_tool(session, f"tool-{at}", fields | {"url": f"https://tool-{at}.example"}, said)  # type: ignore[arg-type]
    for at in range(10):
        pair, published = (f"tool-{2 * at}", f"tool-{2 * at + 1}"), now - timedelta(days=at)
        catalog.put_comparison(session, f"pair-{at}", pair, "Which one writes?", published, published)


# ---- digests and their letters -------------------------------------------------------------------------------


def _digests(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    """Digest 1, frozen by the product, is being sent to everybody. Earlier weeks' digests copy its text, and the next
    week's is a draft."""
    rule = schedule.of_digests()
    first = digests.open_slot(session, rule.slot_of(now), rule.due(rule.slot_of(now)), now)
    freezing.freeze(session, first, now)
    session.flush()
    filler.order("UPDATE digests SET state = 'sending', addressed_to = :last", last=size.readers)
    outcomes = f'{{"sent": {size.finished - 40}, "failed": 30, "skipped": 10}}'
    copied = '"freeze", content, subject, preheader, html, text, html_sha256, text_sha256, renderer'
    for week in range(1, FINISHED + 1):
        at = now - timedelta(weeks=week)
        filler.order(
            "INSERT INTO digests (slot, due_at, state, opened_at, cutoff, frozen_at, finished_at, audience,"
            f" addressed_to, outcomes, {copied}) SELECT :slot, {filler.ago(':week')}, 'finished', opened_at,"
            f" {filler.ago(':week')}, {filler.ago(':week')}, {filler.ago(':week - 3600')}, :audience, :audience,"
            f" {filler.json(repr(outcomes))}, {copied} FROM digests WHERE id = 1",
            slot=rule.slot_of(at), week=week * 7 * 86_400, audience=size.finished,
        )  # fmt: skip
    following = rule.slot_of(now + timedelta(weeks=1))
    digests.open_slot(session, following, rule.due(following), now)


_STATE = (
    "CASE WHEN i > :settled THEN 'pending' WHEN i > :settled - 200 THEN 'sending' WHEN i % 150 = 0 THEN 'deferred'"
    " WHEN i % 200 = 1 THEN 'failed' WHEN i % 400 = 2 THEN 'skipped' WHEN i % 1000 = 3 THEN 'unknown'"
    " WHEN i % 900 = 4 THEN 'cancelled' ELSE 'sent' END"
)
_CODE = (
    "CASE state WHEN 'sent' THEN 250 WHEN 'deferred' THEN 450 + i / 150 % 4 WHEN 'failed' THEN 550 + i / 200 % 5 END"
)
_REASON = (
    "CASE state WHEN 'failed' THEN CASE i / 200 % 3 WHEN 0 THEN 'no such address' WHEN 1 THEN 'refused' ELSE 'too old'"
    " END WHEN 'skipped' THEN CASE i / 400 % 3 WHEN 0 THEN 'suppressed' WHEN 1 THEN 'paused' ELSE 'unsubscribed' END"
    " WHEN 'unknown' THEN 'lease lapsed' END"
)
_REPLY = (
    "CASE state WHEN 'sent' THEN '250 2.0.0 Ok: queued as 4XYZ' || i WHEN 'deferred' THEN '451 4.7.1 <reader-' || i ||"
    " '@reader.example> greylisted, come again in ' || (i % 600) || ' seconds' WHEN 'failed' THEN"
    " '550 5.1.1 <reader-' || i || '@reader.example>: user unknown' END"
)


def _letters(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    """Letters: first those of finished digests and the single ones, then everybody's letter of the current digest."""
    settled = int(size.readers * SETTLED)
    known = "reason, not_before, tries, claim, code, reply, created_at, settled_at"
    for week in range(FINISHED, 0, -1):
        filler.fill(
            "deliveries", size.finished, letter="'digest'", about=str(week + 1), person="'subscriber:' || i",
            state="CASE WHEN i <= 30 THEN 'failed' WHEN i <= 40 THEN 'skipped' ELSE 'sent' END",
            code="CASE WHEN i <= 30 THEN 550 WHEN i > 40 THEN 250 END", reason="CASE WHEN i <= 40 THEN 'refused' END",
            not_before=filler.ago(f"{week * 7 * 86_400}"), tries="1", created_at=filler.ago(f"{week * 7 * 86_400}"),
            settled_at=filler.ago(f"{week * 7 * 86_400} - i"), reply="'250 2.0.0 Ok'",
        )  # fmt: skip
    for letter in ("confirm", "welcome"):
        filler.fill(
            "deliveries", size.singles, letter=f"'{letter}'", about="i", person="'subscriber:' || i", state="'sent'",
            not_before=filler.ago("7200 + i"), tries="1", code="250", reply="'250 2.0.0 Ok'",
            created_at=filler.ago("7200 + i"), settled_at=filler.ago("7200 + i"),
        )  # fmt: skip
    filler.order(
        f"INSERT INTO deliveries (letter, about, person, state, {known})"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number),"
        f" s(i, state) AS (SELECT i, {_STATE} FROM n)"
        f" SELECT 'digest', 1, 'subscriber:' || i, state, {_REASON}, {filler.ago('3600')}, 1, i / 200,"
        f" {_CODE}, {_REPLY}, {filler.ago('3600')}, CASE WHEN i <= :settled - 200 THEN"
        f" {filler.ago('(:settled - i) * (3600.0 / :settled)')} END FROM s",
        number=size.readers, settled=settled,
    )  # fmt: skip
    for lease in ("-60", "600"):  # a sender at work, and one that is gone
        filler.fill("claims", 1, worker="'host:' || i", digest_id="1", lease=filler.ago(lease), win="8",
                    made_at=filler.ago("660"))  # fmt: skip
    filler.fill("relays", 25, name="'to domain-' || i || '.example'", failures="3", since=filler.ago("i * 600"),
                open_until=filler.ago("-i * 60"), reply="'451 4.7.1 Try again later'")  # fmt: skip


# ---- jobs ------------------------------------------------------------------------------------------------------

_KINDS = (
    "CASE i % 3 WHEN 0 THEN 'SubscriptionRequested' WHEN 1 THEN 'SubscriptionConfirmed' ELSE 'ComparisonPublished' END"
)
_LINES = '  File "/srv/worker/jobs/reactions.py", line 31, in confirm_letter\n    letter = letters.confirm(address)\n'


def _jobs(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    """Jobs: those that failed for good have lower ids than those that succeeded; a few are in every other state."""
    for state, number in (("discarded", 200), ("dead", size.dead), ("succeeded", size.succeeded), ("waiting", 300),
                          ("pending", 50), ("running", 15)):  # fmt: skip
        failed = state in ("dead", "discarded", "waiting")
        carried = "'{\"sign_up\": ' || i || ', \"subscriber\": ' || i || '}'"
        tried = {"dead": "6", "discarded": "6", "pending": "0", "waiting": "1 + i % 5"}
        group = f"(i % {GROUPS})"
        filler.fill(
            "jobs", number, kind=_KINDS, payload=filler.json(carried),
            state="'pending'" if state == "waiting" else f"'{state}'", trigger="'event'",
            attempt=tried.get(state, "1"), allowed="6",
            run_after=filler.ago("-i" if state == "waiting" else "i"), created_at=filler.ago("i * 20 + 4000"),
            lease=filler.ago("i * 60 - 600") if state == "running" else "NULL",
            finished_at=filler.ago("i * 20") if state in ("succeeded", "dead", "discarded") else "NULL",
            error=f"'Error' || (i % {GROUPS} % 7)" if failed else "NULL",
            fingerprint=f"'print' || {group}" if failed else "NULL",
            said=f"'letter ' || i || ' of group ' || {group} || ' has no template'" if failed else "NULL",
            failed_at=filler.ago("i * 20") if failed else "NULL",
            cause="CASE WHEN i % 4 = 0 THEN i END" if state == "succeeded" else "NULL",
            reaction="CASE WHEN i % 4 = 0 THEN 'welcome_letter' END" if state == "succeeded" else "NULL",
        )  # fmt: skip
    tried = {"worker": "'host:4711'", "trigger": "'event'", "started_at": "created_at", "job_id": "id"}
    filler.fill("attempts", 1, "jobs", "state = 'succeeded'", **tried, number="1", ended_at="finished_at",
                outcome="'succeeded'")  # fmt: skip
    lines = (_LINES * 12).replace("'", "''")
    filler.fill("attempts", TRIES, "n CROSS JOIN jobs", "state = 'dead'", **tried, number="i", ended_at="failed_at",
                outcome="CASE WHEN i = 1 AND id % 50 = 0 THEN 'lost' ELSE 'failed' END", error="error", message="said",
                fingerprint="fingerprint", traceback=f"'{lines}' || said")  # fmt: skip
    filler.fill("attempts", 1, "jobs", "state = 'running'", **tried, number="1")


# ---- votes and the console's own tables ------------------------------------------------------------------------


def _votes(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    filler.fill("votes", size.votes, voter="CASE i % 3 WHEN 0 THEN 'subscriber:' ELSE 'anonymous:' END || i",
                tool_id="1 + i % 20", choice="'ship'", counted="CASE WHEN i % 1000 > 1 THEN 'ship' END",
                dirty="i % 1000 <= 1", cast_at=filler.ago("i"))  # fmt: skip
    for day in range(60):
        session.execute(
            text(
                "INSERT INTO tally_days (tool_id, kind, day, ship, skip) SELECT id, 'anonymous', :day, 9, 4 FROM tools"
            ),
            {"day": (now - timedelta(days=day)).date()},
        )


def _console(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    actions = "CASE i % 4 WHEN 0 THEN 'jobs.retry' WHEN 1 THEN 'people.lift' WHEN 2 THEN 'login' ELSE 'digest.hold' END"
    who = "'operator-' || i || '@newsroom.example'"
    filler.fill("operators", size.operators, address=who, address_key=who, role="'viewer'", alerts="true",
                created_at=filler.ago("i * 86400"), epoch="1", password_hash="'x'")  # fmt: skip
    filler.fill("audit", size.orders, at=filler.ago(f"({size.orders} - i) * 300"), action=actions,
                actor=f"'operator-' || (1 + i % {size.operators}) || '@newsroom.example'", about="'subscriber ' || i",
                count="1", affected="'' || i", note="'as asked'", chosen_by=filler.json("'{}'"))  # fmt: skip
    filler.fill("alerts", 500, key="'failures:' || i", kind="'failures'", title="i || ' jobs failed for good'",
                told="'The last attempt ended with an error.'", link="'/operator/jobs'",
                opened_at=filler.ago("i * 600"), closed_at=f"CASE WHEN i > 30 THEN {filler.ago('i')} END")  # fmt: skip
    kinds = "CASE i % 3 WHEN 0 THEN 'worker' WHEN 1 THEN 'sender' ELSE 'clock' END"
    filler.fill("heartbeats", 9, process="'host:' || i", kind=kinds, started_at=filler.ago("86400"), at=filler.ago("i"),
                done="1000", seconds="10")  # fmt: skip
    filler.fill("queue_pauses", 1, queue="'mail'", at=filler.ago("1800"), actor="'operator-1@newsroom.example'",
                reason="'The provider moves house.'")  # fmt: skip


def _webhooks(filler: Filler, session: Session, size: Size, now: datetime) -> None:
    """Two webhooks; all messages but a few of the first went to the second."""
    for host in ("chat", "program"):
        url = ReadUrl(f"https://{host}.example/in", f"https://{host}.example")
        webhooks.add(session, url, "event", list(TYPES), webhooks.new_secret(), now)
    filler.fill(
        "webhook_messages", size.messages, webhook_id="CASE WHEN i % 50 = 7 THEN 1 ELSE 2 END", job_id="i",
        message_id="'msg_' || i", event_type="'figures.changed'", at=filler.ago("i * 60"), data="'{}'", text="'Votes'",
        created_at=filler.ago("i * 60"), tried_at=filler.ago("i * 60"), status="204",
    )  # fmt: skip
