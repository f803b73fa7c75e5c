"""A digest leaves through the kind of transport it began with, and readers' letters never go into files of a public
site: a sender that was restarted without its MAIL_URL books nothing as sent. A sender whose keys lack the
site's newest one sends nothing either."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from db import signing_keys
from db.digests import digest_transports
from db.digests.digests import Digest
from db.monitoring import heartbeats, runs_with
from db.monitoring.heartbeats import Heartbeat
from db.rules import Refused
from db.session import Session, ring
from db.settings import settings
from db.urls import is_public
from worker.processes import turns

log = structlog.get_logger("mail")
IN_WORDS = {"smtp": "over SMTP", "maildir": "into files (MAIL_URL is a Maildir)"}


# ---- in a sender -------------------------------------------------------------------------------------------------


def allowed(owed: Sequence[int | None]) -> list[int | None]:
    """What this sender may send of the due work, where None stands for the single letters. It becomes the transport of
    digests that nobody has begun. The rest stays pending; the reason is logged once while it lasts."""
    told = runs_with.of(settings())
    kind, barred = told["MAIL_URL"], into_files_of_a_public_site("This sender", told)
    ids = [each for each in owed if each is not None]
    with turns.reading() as session:
        barred = signing_keys.foreign_by_now(session) or barred
        known = digest_transports.of(session, ids)
    if barred:
        _log(barred)
        return []
    if None in known.values():
        with turns.writing() as session:
            digest_transports.begin(session, ids, kind)
            known = digest_transports.of(session, ids)
    others = sorted(each for each in ids if known.get(each) != kind)
    _log(f"digests that began another way wait for the sender that began them: {others}" if others else "")
    return [each for each in owed if each is None or known.get(each) == kind]


_logged = ""


def _log(sentence: str) -> None:
    global _logged
    if sentence and sentence != _logged:
        log.warning("letters wait", reason=sentence)
    _logged = sentence


# ---- for people --------------------------------------------------------------------------------------------------


def into_files_of_a_public_site(who: str, told: Mapping[str, str]) -> str:
    """Why a process with these settings may send nothing; empty if it may."""
    if told.get("MAIL_URL") != "maildir" or not is_public(told.get("BASE_URL", "")):
        return ""
    return (
        f"{who} would write letters into files (MAIL_URL is a Maildir), but {told['BASE_URL']} is a public site: no "
        "letter leaves, and all stay pending. Start it with your mail server's MAIL_URL. If another program is to "
        "deliver the letters, let it take them over SMTP."
    )


def differences(session: Session, now: datetime) -> list[str]:
    """A sentence for each sender that may send nothing, and for each that does not go on with a begun digest."""
    begun, found = digest_transports.begun(session), []
    for each in _senders(session, now):
        who, told = f"Sender {each.process}", each.runs_with or {}
        if barred := into_files_of_a_public_site(who, told):
            found.append(barred)
            continue
        others = ((slot, kind) for slot, kind in begun if kind != told["MAIL_URL"])
        found += [_another_way(slot, kind, told["MAIL_URL"], who) + _or_resume(slot) for slot, kind in others]
    return found


def _another_way(slot: str, began: str, kind: str, who: str) -> str:
    return (
        f"{who} sends {IN_WORDS[kind]}, but digest {slot} began {IN_WORDS[began]}, so its letters wait for a sender "
        "that runs with the MAIL_URL that it began with."
    )


def _or_resume(slot: str) -> str:
    return f" To let the rest of it leave the new way all the same: verdicts digest resume {slot} --reason WHY"


def _senders(session: Session, now: datetime) -> list[Heartbeat]:
    running = heartbeats.running(session, now)
    return [each for each in running if each.kind == "sender" and "MAIL_URL" in (each.runs_with or {})]


# ---- going on another way ----------------------------------------------------------------------------------------


def needs_reason(session: Session, digest: Digest, now: datetime) -> str:
    """Why somebody has to say a reason before this digest goes on; empty if its own kind of transport runs.

    Without a running sender, the settings of this process count. Raises Refused if no reason would do.
    """
    ways = {each.process: each.runs_with or {} for each in _senders(session, now)}
    told = ways or {"This process": runs_with.of(settings())}
    kinds = {each["MAIL_URL"] for each in told.values()}
    if digest.transport is None or digest.transport in kinds:
        return ""
    if barred := next(filter(None, (into_files_of_a_public_site(*each) for each in told.items())), ""):
        raise Refused(barred)
    who = ", ".join(told)
    return _another_way(digest.slot, digest.transport, kinds.pop(), who)


def go_on(session: Session, digest: Digest, reason: str | None, now: datetime) -> None:
    """Let the senders of today go on with the digest: their kind becomes its own, if somebody says why.
    Raises Refused without a reason."""
    why_not = needs_reason(session, digest, now)
    if not why_not:
        return
    if not reason:
        raise Refused(why_not + _or_resume(digest.slot))
    digest.transport = "maildir" if digest.transport == "smtp" else "smtp"
    digest.resumed_at = now  # the time until somebody decided makes its letters no older
    ring(session, "mail")
