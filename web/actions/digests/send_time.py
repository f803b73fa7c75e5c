"""What to say before and while letters go out: how long a digest takes, and until when SEND_DAILY keeps it waiting."""

from datetime import datetime, timedelta

from db.deliveries import deliveries
from db.deliveries.limits import daily_limit, forecast
from db.deliveries.limits.daily_counts import Used
from db.deliveries.limits.forecast import Limits
from db.digests.digests import Digest
from db.session import Session, reading
from db.settings import settings


def limits(session: Session, now: datetime) -> Limits:
    """This process's limits, with what counts against SEND_DAILY now."""
    config = settings()
    used = daily_limit.used(session, now) if config.send_daily else Used(0, 0)
    return Limits(config.send_daily, config.send_rate, used)


def sentence(people: int, now: datetime) -> str:
    """How long a digest to that many people takes under SEND_DAILY or SEND_RATE; empty when that is soon."""
    with reading() as session:
        return forecast.sentence(people, limits(session, now))


def goes_on_at(session: Session, digest: Digest, now: datetime) -> datetime | None:
    """When a digest's next letters go out, if they wait because SEND_DAILY is reached; else None."""
    daily = settings().send_daily
    if not daily or digest.state != "sending" or not deliveries.waiting(session, digest.id):
        return None
    return daily_limit.open_at(session, daily, now, single=False)


def left(waiting: int, by_rate: timedelta | None, now: datetime) -> timedelta | None:
    """The time until a digest's waiting letters are sent, by the rate seen or by SEND_DAILY, whichever takes longer."""
    daily = settings().send_daily
    if not daily:
        return by_rate
    with reading() as session:
        by_limit = forecast.how_long(waiting, limits(session, now)._replace(rate=0))
    return max(by_rate or timedelta(), by_limit) or by_rate
