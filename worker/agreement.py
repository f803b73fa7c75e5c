"""Whether this process runs with the settings of the site: a digest that it freezes has its name and its links."""

from collections.abc import Mapping
from datetime import datetime

from db.monitoring import heartbeats, runs_with
from db.rules import Refused
from db.session import Session
from db.settings import settings
from worker import heartbeats as own_heartbeats

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


def differences(session: Session, now: datetime) -> list[str]:
    """Each setting that differs, with the value here and there."""
    here, found = runs_with.of(settings()), []
    for name in COMPARED:
        if name == "MAIL_URL" and own_heartbeats.are_written():
            continue  # only senders use it, so a web process in which somebody presses the button may do without
        others = {who: told[name] for who, told in _there(session, name, now).items() if name in told}
        differing = {value: who for who, value in others.items() if value != here[name]}
        found += [f"{name} is “{here[name]}” here, but “{value}” with {who}" for value, who in differing.items()]
    return found


def _there(session: Session, name: str, now: datetime) -> Mapping[str, Mapping[str, str]]:
    """What the live processes run with; if none tells it, what `verdicts up` ran with last in this folder.

    Where a sender tells its MAIL_URL, that of others does not matter.
    """
    told = {
        f"{each.kind} {each.process}": each.runs_with for each in heartbeats.running(session, now) if each.runs_with
    }
    senders = {who: each for who, each in told.items() if who.startswith("sender ")}
    if name == "MAIL_URL" and senders:
        return senders
    return told or {"what verdicts up ran with here": runs_with.left()}
