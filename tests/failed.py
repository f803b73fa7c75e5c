"""Inserts failed jobs straight into the table, up to ten thousand at once, instead of letting each one fail."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from db.engine import engine
from db.jobs.jobs import Attempt, Job
from db.session import reading, writing

AT = datetime(2026, 11, 17, 8, 0, tzinfo=UTC)


def fill(number: int = 1, state: str = "dead", *, each: timedelta = timedelta(0), **values: Any) -> list[int]:
    """Insert jobs that failed six times, the last time at `failed_at`, with `each` between two jobs. Returns their ids.

    Each has its last attempt only.
    """
    row: dict[str, Any] = {
        "kind": "SubscriptionRequested", "payload": {"sign_up": 1, "subscriber": 1}, "state": state, "attempt": 6,
        "allowed": 6, "run_after": AT, "trigger": "back-off", "created_at": AT, "error": "ValueError",
        "said": "no such letter", "fingerprint": "abc", "failed_at": AT, "finished_at": AT,
    } | values  # fmt: skip
    rows = [row | {"failed_at": row["failed_at"] and row["failed_at"] + turn * each} for turn in range(number)]
    with writing() as session:
        ids = list(session.scalars(insert(Job).returning(Job.id, sort_by_parameter_order=True), rows))
        tried = {"number": row["attempt"], "worker": "host:1", "trigger": "back-off", "started_at": AT}
        how = {"ended_at": AT, "outcome": "failed", "error": row["error"], "message": row["said"]}
        more = {"fingerprint": row["fingerprint"], "traceback": "Traceback (most recent call last): …"}
        session.execute(insert(Attempt), [{"job_id": job_id, **tried, **how, **more} for job_id in ids])
    return ids


def many(number: int, state: str = "dead", groups: int = 50) -> None:
    """Insert this many jobs without attempts, in groups of the same size."""
    known = {"kind": "SubscriptionRequested", "payload": {"sign_up": 1, "subscriber": 1}, "state": state, "attempt": 6,
             "allowed": 6, "run_after": AT, "trigger": "back-off", "created_at": AT, "error": "ValueError"}  # fmt: skip
    rows = [
        known | {"said": f"row {turn} is bad", "fingerprint": f"print {turn % groups}",
                 "failed_at": AT + timedelta(seconds=turn), "finished_at": AT}
        for turn in range(number)
    ]  # fmt: skip
    with writing() as session:
        session.execute(insert(Job.__table__), rows)  # type: ignore[arg-type]
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if connection.dialect.name == "sqlite" else "VACUUM ANALYZE jobs")


def states() -> dict[int, str]:
    """The state of every job."""
    with reading() as session:
        return {row.id: row.state for row in session.execute(select(Job.id, Job.state).order_by(Job.id))}
