"""An older release's database with a million readers, put in by SQL, and a copy of it."""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from db.addresses import hashes_of
from db.engine import engine
from db.session import Session, writing
from tests.bench import servers
from tests.filler import Filler
from tests.schemas import at_revision


def make(revision: str, release: Path | None) -> None:
    """An empty database at the revision; by the older release itself where there is one."""
    if release is None:
        at_revision(revision)
        return
    words = [str(release / ".venv" / "bin" / "python"), "-c", "from db.migrations import upgrade; upgrade()"]
    subprocess.run(words, cwd=release, check=True, env=os.environ | {"PYTHONPATH": str(release)})


def fill(readers: int) -> None:
    """So many readers and a digest on its way to them; votes, jobs that failed, suppressions that name nobody."""
    with writing(durable=False) as session:
        filler = Filler(session, datetime.now(UTC))
        address = "'reader-' || i || '@reader.example'"
        _put(filler, session, "subscribers", readers, address=address, address_key=address, state="'active'",
             created_at=filler.ago("i"), confirmed_at=filler.ago("i"), joined="0")  # fmt: skip
        _put(filler, session, "consents", readers, subscriber_id="i", what="'given'", at=filler.ago("i"),
             address=address, source="'confirm link'")  # fmt: skip
        state = f"CASE WHEN i > {readers // 2} THEN 'pending' WHEN i % 100 = 0 THEN 'failed' ELSE 'sent' END"
        _put(filler, session, "deliveries", readers, letter="'digest'", about="1", person="'subscriber:' || i",
             state=state, not_before=filler.ago("3600"), tries="1", created_at=filler.ago("3600"),
             code=f"CASE WHEN i > {readers // 2} THEN NULL WHEN i % 100 = 0 THEN 550 ELSE 250 END")  # fmt: skip
        words = dict.fromkeys(("name", "category", "tagline", "entry", "url", "summary"), "'x'")
        _put(filler, session, "tools", 20, slug="'tool-' || i", **words)
        _put(filler, session, "votes", readers, voter="'subscriber:' || i", tool_id="1 + i % 20", choice="'ship'",
             counted="'ship'", dirty="false", cast_at=filler.ago("i"))  # fmt: skip
        _put(filler, session, "jobs", readers // 10, kind="'SubscriptionRequested'", payload=filler.json("'{}'"),
             state="CASE WHEN i % 10 = 0 THEN 'dead' ELSE 'succeeded' END", attempt="6", allowed="6",
             run_after=filler.ago("i"), trigger="'event'", created_at=filler.ago("i"), finished_at=filler.ago("i"),
             failed_at=f"CASE WHEN i % 10 = 0 THEN {filler.ago('i')} END")  # fmt: skip
        _put(filler, session, "relays", 25, name="'to domain-' || i || '.example'", failures="3", reply="'451'",
             since=filler.ago("i"), open_until=filler.ago("i"))  # fmt: skip
        _suppress(session, readers)
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if connection.dialect.name == "sqlite" else "VACUUM ANALYZE")


def _put(filler: Filler, session: Session, table: str, number: int, /, **columns: str) -> None:
    """Fill those of the columns that the table has at its revision."""
    there = {each["name"] for each in inspect(session.connection()).get_columns(table)}
    filler.fill(table, number, **{f'"{name}"': sql for name, sql in columns.items() if name in there})


def _suppress(session: Session, readers: int) -> None:
    """Suppressions of one reader in fifty and of a thousand strangers, which do not say whose they are."""
    known = [f"reader-{number}@reader.example" for number in range(50, readers + 1, 50)]
    strangers = [f"stranger-{number}@reader.example" for number in range(1000)]
    query = "INSERT INTO suppressions (address_hash, reason, at) VALUES (:hash, 'manual', CURRENT_TIMESTAMP)"
    session.execute(text(query), [{"hash": hashes_of(each)[0]} for each in known + strangers])


def copied(url: str, fresh: servers.Fresh) -> str:
    """The database's copy, which nobody is connected to; its URL."""
    engine().dispose()
    copy = fresh()
    old, new = make_url(url), make_url(copy)
    if old.get_backend_name() == "sqlite":
        shutil.copy(str(old.database), str(new.database))
        return copy
    server = old.set(database="postgres", drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {new.database}")
        connection.execute(f"CREATE DATABASE {new.database} TEMPLATE {old.database}")
    return copy
