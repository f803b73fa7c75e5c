"""Who runs with which settings, and who differs: this process from the site, and processes from one another."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from db.monitoring import heartbeats, runs_with
from db.monitoring.alerts import Condition
from db.monitoring.heartbeats import Heartbeat
from db.monitoring.runs_with import AGREED, Lived
from db.rules import Refused
from db.session import Session
from db.settings import settings, variable
from worker.processes import clock_rules
from worker.processes import heartbeats as own_heartbeats

COMPARED = ("BASE_URL", "SITE_NAME", "MAIL_FROM", "MAIL_POSTAL_ADDRESS", "MAIL_URL")
"""What a letter is made of, and whether it leaves over SMTP or into files. Of MAIL_URL, only that kind is known."""


def check(session: Session, now: datetime) -> None:
    """Raise Refused, naming both values, if the site's processes run with other settings than this one."""
    found = differences(session, now)
    if found:
        raise Refused(
            f"Nothing was done. {'; '.join(found)}. A letter frozen here would be made with these settings: give this "
            "process those of the site, or restart the site's processes with these."
        )


def differences(session: Session, now: datetime, names: Collection[str] = COMPARED) -> list[str]:
    """Each of these settings that differs, with the value here and there."""
    here, found = runs_with.of(settings()), []
    for name in names:
        if _of_senders_alone(name) and own_heartbeats.are_written():
            continue  # a web process in which somebody presses the button may do without
        others = {who: told[name] for who, told in _there(session, name, now).items() if name in told}
        differing = {value: who for who, value in others.items() if value != here[name]}
        found += [f"{name} is “{here[name]}” here, but “{value}” with {who}" for value, who in differing.items()]
    return found


def all_differences(session: Session, now: datetime) -> list[str]:
    """The same for all that processes have to agree in; clock_rules tells of the schedule."""
    return differences(session, now, [name for name in KINDS if name not in _SCHEDULE])


KINDS = {variable(field): kinds for field, kinds in AGREED.items()}
"""The variables in which processes have to agree, and the kinds of processes that use each."""
_SCHEDULE = ("DIGEST_SCHEDULE", "DIGEST_TIMEZONE")


def _of_senders_alone(name: str) -> bool:
    return KINDS[name] == ("sender",)


def _there(session: Session, name: str, now: datetime) -> Mapping[str, Mapping[str, str]]:
    """What the live processes that use this setting run with; if none tells, what `verdicts up` ran with here last."""
    told = {(each.kind, _who(each)): each.runs_with for each in heartbeats.running(session, now) if each.runs_with}
    users = {who: each for (kind, who), each in told.items() if kind in KINDS[name]}
    anybody = {who: each for (_, who), each in told.items()}
    return users or anybody or {"what verdicts up ran with here": runs_with.left()}


def _who(each: Heartbeat) -> str:
    return f"{each.kind} {each.process}"


# ---- processes and one another ---------------------------------------------------------------------------------


class Disagreement(NamedTuple):
    """A setting in which running processes differ, and the value of each of them."""

    setting: str
    told: Mapping[str, str]

    @property
    def in_words(self) -> str:
        """One sentence with each value and up to three of the processes that run with it."""
        values: dict[str, list[str]] = {}
        for who, value in self.told.items():
            values.setdefault(value, []).append(who)
        parts = (f"“{value}” with {_some(sorted(who))}" for value, who in sorted(values.items()))
        return f"{self.setting} is {', but '.join(parts)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def disagreements(session: Session, now: datetime) -> list[Disagreement]:
    """The settings in which running processes differ that have to agree. While the clocks themselves disagree about the
    schedule, clock_rules tells of that."""
    running = heartbeats.running(session, now)
    known = _SCHEDULE if clock_rules.disagreeing(session, now) else ()
    found = ((name, runs_with.side_by_side(_lived(running, name))) for name in KINDS if name not in known)
    return [Disagreement(name, told) for name, told in found if told]


def _lived(running: list[Heartbeat], name: str) -> Iterator[Lived[str]]:
    for each in running:
        if each.kind in KINDS[name] and name in (each.runs_with or {}):
            yield Lived(_who(each), each.started_at, each.alive_at or each.at, (each.runs_with or {})[name])


def differing_settings(session: Session, now: datetime) -> Iterator[Condition]:
    """One condition for all settings in which running processes differ; another one when others differ."""
    found = disagreements(session, now)
    if found:
        names = ", ".join(each.setting for each in found)
        yield Condition(
            f"settings:{names}", "settings", f"Processes run with different settings: {names}",
            (*(f"{each.in_words}." for each in found),
             "Give all hosts the same values and start their processes again; verdicts doctor says what differs here."),
            "/operator",
        )  # fmt: skip
