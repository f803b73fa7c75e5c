"""Which rule of the schedule the live clocks run with, and whether they agree on it."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from db.digests import rule_history, schedule
from db.digests.schedule import Weekly
from db.monitoring import heartbeats, runs_with
from db.monitoring.heartbeats import ALIVE, KEPT, Heartbeat
from db.monitoring.runs_with import Lived
from db.values import DayTime


class Disagreement(Exception):
    """Live clocks run with different rules: nothing is opened or frozen until they agree."""


def agreed(session: Session, now: datetime) -> Weekly:
    """The rule that all live clocks run with. Raises Disagreement.

    Without a live clock the rule recorded last goes on. Where no clock has told its rule, which clocks of 0.2.0 do not,
    it is the rule of this process.
    """
    told = {each.process: rule for each, rule in _clocks(session, now)}
    if len(set(told.values())) > 1:
        raise Disagreement(", ".join(f"{process} runs with {rule.in_words}" for process, rule in told.items()))
    if told:
        return next(iter(told.values()))
    last = heartbeats.last_seen(session, "clock")
    if last and last.at > now - KEPT and rule_of(last):
        return rule_history.standing(session)
    return schedule.of_digests()


def disagreeing(session: Session, now: datetime) -> dict[str, Weekly]:
    """The live clocks with their rules, if these differ; not while a clock that was restarted still seems to live."""
    clocks = _clocks(session, now)
    return runs_with.side_by_side(
        Lived(each.process, each.started_at, each.alive_at or each.at, rule) for each, rule in clocks
    )


def disagreement(session: Session, now: datetime) -> list[str]:
    """The same as a sentence; none while they agree."""
    told = "; ".join(f"{process}: {rule.in_words}" for process, rule in disagreeing(session, now).items())
    return [f"The clocks disagree, and no digest opens or freezes until they agree. {told}"] if told else []


def differences(session: Session, now: datetime) -> list[str]:
    """A sentence for each other process, this one too, that runs with another rule than the one recorded last."""
    stands = rule_history.standing(session)
    live = (each for each in heartbeats.running(session, now) if each.kind != "clock")
    told = {f"{each.kind} {each.process}": rule_of(each) for each in live} | {"this process": schedule.of_digests()}
    return [
        f"{process} runs with “{rule.in_words}”; what counts is the clock’s rule, “{stands.in_words}”"
        for process, rule in told.items() if rule and rule != stands
    ]  # fmt: skip


def rule_of(each: Heartbeat) -> Weekly | None:
    """The rule that the process runs with; None if it tells none, or one that cannot be read here."""
    told = each.runs_with or {}
    try:
        found = DayTime.read(told["DIGEST_SCHEDULE"])
        return Weekly(found.weekday, found.at, ZoneInfo(told["DIGEST_TIMEZONE"]))
    except (KeyError, ValueError, ZoneInfoNotFoundError, OSError):
        return None


def _clocks(session: Session, now: datetime) -> list[tuple[Heartbeat, Weekly]]:
    live = ((each, rule_of(each)) for each in heartbeats.running(session, now, ALIVE) if each.kind == "clock")
    return [(each, rule) for each, rule in live if rule]
