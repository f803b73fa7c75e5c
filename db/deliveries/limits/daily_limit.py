"""SEND_DAILY: no 24 hours hold more letters than that, over all senders on all hosts, however a sender ends.

A claim reserves its letters in its own row. When it ends, those that were sent, or may have been, go to the row of that
minute, and count from there for 24 hours; so every letter counts from before it is begun until a day after its claim's
end. A bucket that refills would let nearly twice as many through: a full one, and what refills meanwhile.

A letter counts if the mail server was given all of it, or may have been; one refused before that does not.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db.deliveries.limits import daily_counts
from db.deliveries.limits.daily_counts import DAY, Minute, Used
from db.deliveries.limits.rate_limits import EVERYBODY, TokenBucket
from db.driver import DriverConnection, driver_connection_of, moment_of
from db.session import Row

KEPT = timedelta(hours=1)
"""How long a row is kept after it stopped to count: it tells since when letters may be sent again."""


class SentMinute(Row):
    """The letters whose claims ended in one minute, and until when they count; `single` of them were no digest's."""

    __tablename__ = "sent_minutes"

    counts_until: Mapped[datetime] = mapped_column(primary_key=True)
    letters: Mapped[int]
    single: Mapped[int]


class Room(NamedTuple):
    """How many letters a claim may take, and until when it could take none, if that is known: to wait for SEND_DAILY
    makes no letter old."""

    letters: int
    shut_until: datetime | None


# ---- claims --------------------------------------------------------------------------------------------------


def room(session: Session, bucket: TokenBucket, daily: int, now: datetime, *, single: bool) -> Room:
    """How many letters a claim may take now. `bucket` is the locked row of all letters: claims ask one at a time."""
    with driver_connection_of(session) as driver:
        if bucket.counted_since is None:
            _count_the_last_day(driver, now)
            bucket.counted_since = now
        count, latest = _used(driver, now)
        if latest is not None and latest > daily_counts.counts_until(now):
            _pull_back(driver, now)
        letters = count.room(daily, single=single)
        shut = daily_counts.shut_until(_minutes(driver), daily, now, single=single) if letters else None
        return Room(letters, shut)


def reserve(session: Session, claim: int, letters: int) -> None:
    """Count a claim's letters from now on, before the first of them is begun."""
    session.execute(_RESERVE, {"claim": claim, "letters": letters})


def end(driver: DriverConnection, sent: int, now: datetime, *, single: bool) -> None:
    """Count a claim's letters that were sent, or may have been, for another 24 hours; the claim is deleted."""
    if sent > 0:
        driver.execute("DELETE FROM sent_minutes WHERE counts_until < ?", (driver.at(now - KEPT),))
        _add(driver, daily_counts.counts_until(now), sent, sent if single else 0)


def forget(session: Session) -> None:
    """Delete the counts, since nobody keeps them without SEND_DAILY. A sender that runs with it counts the last day
    anew, and from then on all senders count."""
    if session.scalar(select(TokenBucket.counted_since).where(TokenBucket.name == EVERYBODY)) is not None:
        session.execute(text("UPDATE allowances SET counted_since = NULL WHERE name = :name"), {"name": EVERYBODY})
        session.execute(delete(SentMinute))


# ---- questions ----------------------------------------------------------------------------------------------


def used(session: Session, now: datetime) -> Used:
    """The letters that count now; too few until the first claim with SEND_DAILY has counted the day before."""
    with driver_connection_of(session) as driver:
        return _used(driver, now)[0]


def open_at(session: Session, daily: int, now: datetime, *, single: bool) -> datetime | None:
    """When the next letter may be begun, while SEND_DAILY is reached; None if one may be begun now."""
    with driver_connection_of(session) as driver:
        return daily_counts.open_at(_used(driver, now)[0], _minutes(driver), daily, now, single=single)


def shut_until(session: Session, daily: int, now: datetime, *, single: bool) -> datetime | None:
    """The last moment until now at which SEND_DAILY was reached, as far as the counts are kept."""
    with driver_connection_of(session) as driver:
        return daily_counts.shut_until(_minutes(driver), daily, now, single=single)


def reached_since(session: Session, daily: int, since: datetime, now: datetime) -> bool:
    """Whether SEND_DAILY kept single letters waiting at some moment since then."""
    shut = shut_until(session, daily, now, single=True)
    return open_at(session, daily, now, single=True) is not None or (shut is not None and shut >= since)


# ---- the rows -----------------------------------------------------------------------------------------------


def _minutes(driver: DriverConnection) -> list[Minute]:
    rows = driver.fetch("SELECT counts_until, letters, single FROM sent_minutes", ())
    return [Minute(until, letters, single) for kept, letters, single in rows if (until := moment_of(kept))]


def _used(driver: DriverConnection, now: datetime) -> tuple[Used, datetime | None]:
    # One statement, so one snapshot: a claim that ends meanwhile is seen in one of the two tables, not in neither.
    [(letters, single, latest)] = driver.fetch(_USED, (driver.at(now),))
    return Used(int(letters), int(single)), moment_of(latest)


def _pull_back(driver: DriverConnection, now: datetime) -> None:
    """Let letters that a clock ahead of ours counted too long count for a day from now: they were sent before now."""
    rows = driver.fetch(
        "DELETE FROM sent_minutes WHERE counts_until > ? RETURNING letters, single",
        (driver.at(daily_counts.counts_until(now)),),
    )
    _add(driver, daily_counts.counts_until(now), sum(row[0] for row in rows), sum(row[1] for row in rows))


def _add(driver: DriverConnection, until: datetime, letters: int, single: int) -> None:
    driver.execute(_ADD, (driver.at(until), letters, single))


def _count_the_last_day(driver: DriverConnection, now: datetime) -> None:
    """Count what was sent in the last 24 hours without SEND_DAILY, and what is under a claim now. It reads every
    delivery once: an index for it would cost every letter of every site."""
    driver.execute(_RESERVE_UNCOUNTED, ())  # before any minute, in the order in which a claim's end locks them
    driver.execute("DELETE FROM sent_minutes", ())
    by_minute = _LAST_DAY.format(minute=_MINUTE_SQLITE if driver.sqlite else _MINUTE_POSTGRESQL)
    for minute, letters, single in driver.fetch(by_minute, (driver.at(now - DAY),)):
        began = moment_of(f"{minute}:00" if isinstance(minute, str) else minute) or now
        _add(driver, min(daily_counts.counts_until(began), daily_counts.counts_until(now)), letters, single)
    [(letters,)] = driver.fetch("SELECT count(*) FROM deliveries WHERE state = 'unknown'", ())
    end(driver, letters, now, single=False)


_RESERVE = text("UPDATE claims SET reserved = :letters WHERE id = :claim")
_RESERVE_UNCOUNTED = (
    "UPDATE claims SET reserved = (SELECT count(*) FROM deliveries AS d WHERE d.claim = claims.id"
    " AND d.state = 'sending') WHERE reserved IS NULL"
)
_MINUTE_SQLITE, _MINUTE_POSTGRESQL = "substr(settled_at, 1, 16)", "date_trunc('minute', settled_at)"
_LAST_DAY = (
    "SELECT {minute}, count(*), count(*) FILTER (WHERE letter <> 'digest') FROM deliveries"
    " WHERE state = 'sent' AND settled_at > ? GROUP BY 1"
)
_USED = (
    "SELECT coalesce(sum(letters), 0), coalesce(sum(single), 0), max(counts_until) FROM ("
    "SELECT letters, single, counts_until FROM sent_minutes WHERE counts_until > ?"
    " UNION ALL SELECT reserved, CASE WHEN digest_id IS NULL THEN reserved ELSE 0 END, NULL FROM claims"
    " WHERE reserved > 0) AS lately"
)
_ADD = (
    "INSERT INTO sent_minutes (counts_until, letters, single) VALUES (?, ?, ?) ON CONFLICT (counts_until)"
    " DO UPDATE SET letters = sent_minutes.letters + excluded.letters, single = sent_minutes.single + excluded.single"
)
