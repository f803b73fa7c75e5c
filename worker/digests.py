"""The weekly run: open a slot's draft, freeze it when due, create its deliveries, finish it; missed slots go late."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import addresses
from db.deliveries import accounts, addressing, deliveries, tests_of_address
from db.digests import archive, digests, rule_history
from db.digests.digests import Digest, TestLetter
from db.digests.owed_slots import NOT_OWED, OwedSlot
from db.rules import Refused
from db.session import reading, writing
from db.settings import settings
from db.subscribers import audiences, subscribers
from db.votes import tallies
from emails import letters
from emails.letters import Letter
from worker import by_hand, clock_rules, digest_content
from worker.letters import site

log = structlog.get_logger("digests")


def tick(*, opens: bool = True) -> None:
    """One tick, run by the clock; it is idempotent, so any number of clocks may run it.

    Without `opens` it goes on with what is frozen, and opens and freezes nothing.
    """
    now = datetime.now(UTC)
    if opens and is_agreed(now):
        with _apart("open"):
            open_due_slots(now)
        freeze_due(now)
    address_frozen()
    finish_sent()
    count_ended()


@contextmanager
def _apart(what: str) -> Iterator[None]:
    """Log a digest that fails and retry it at the next tick; the other digests go on."""
    try:
        yield
    except Exception:
        log.exception("digest step failed", step=what)


# ---- opening and freezing --------------------------------------------------------------------------------------


def is_agreed(now: datetime) -> bool:
    """Record the rule of the live clocks. False while they disagree: what is due stays owed until they agree."""
    with _apart("rule"):
        try:
            with reading() as session:
                rule = clock_rules.agreed(session, now)
                recorded = rule_history.is_recorded(session, rule, now)
        except clock_rules.Disagreement as error:
            _warn_once(str(error))
            return False
        _warn_once(None)
        if not recorded:
            with writing() as session:
                rule_history.record(session, rule, now)
            with _apart("refresh"), writing() as session:
                refresh_drafts(session, now)
        return True
    return False


_warned: str | None = None
"""The disagreement that this process has logged last: a tick comes every few seconds."""


def _warn_once(told: str | None) -> None:
    global _warned
    if told and told != _warned:
        log.warning("clocks disagree about the schedule; nothing is opened or frozen", clocks=told)
    _warned = told


def open_due_slots(now: datetime) -> None:
    """Open the draft of each slot that is near or was missed; a slot that is too late is recorded as expired.

    A week that lies between two rules opens as held.
    """
    with reading() as session:
        if not _to_open(session, now):
            return
    with writing() as session:
        rule_history.lock(session)  # so that a change which another tick records meanwhile finds these drafts
        for each in _to_open(session, now):
            digest = digests.open_slot(session, each.slot, each.due, now, each.held)
            if digest.state in ("draft", "held"):
                _assemble(session, digest, now)


def _to_open(session: Session, now: datetime) -> list[OwedSlot]:
    owed = rule_history.owed_by(session, now + settings().digest_lead, now)
    return [each for each in owed if digests.by_slot(session, each.slot) is None]


def freeze_due(now: datetime) -> None:
    """Freeze each draft that is due; a held draft that was not released in time expires.

    One that is held because the schedule moved expires as soon as the next digest is due, which takes what it held.
    """
    with reading() as session:
        due = [each.slot for each in digests.listed(session, ("draft", "held")) if each.due_at <= now]
        latest = max((each.due_at for each in digests.listed(session) if each.due_at <= now), default=now)
    for slot in reversed(due):
        with _apart(f"freeze {slot}"), writing() as session:
            digest = digests.get(session, slot, lock=True)
            if now > digest.due_at + settings().digest_lateness and digest.state in ("draft", "held"):
                digests.end(digest, "expired", "not sent in time", now)
            elif rule_history.is_held_by_a_change(digest) and digest.due_at < latest:
                digests.end(digest, "expired", "not released before the next one was due", now)
            elif digest.state == "draft" and digest.due_at <= now and not _hold_passed_over(session, digest, now):
                freeze(session, digest, now)


def freeze(session: Session, digest: Digest, now: datetime) -> None:
    """Store the content and the audience's size in one transaction. Without a new comparison or an audience, record the
    slot as skipped; its comparisons stay free for the next digest.

    1. Count the audience. 2. Fold every dirty vote on these tools. 3. Gather the content. 4. Render it, once. 5. Store.
    """
    compared = archive.new(session, now)
    if not compared:
        digests.end(digest, "skipped", "no comparison is new", now)
        return
    claimed = audiences.count_audience(session, now)
    if not claimed.audience:
        digests.end(digest, "skipped", "nobody has subscribed", now)
        return
    tools = {tool.id for comparison in compared for tool in comparison.tools}
    while tallies.fold(session, now, tools):
        pass
    content = digest_content.content(session, digest, compared, now)
    letter = letters.digest(content, site(settings()))
    digests.freeze(
        session, digest, [comparison.id for comparison in compared],
        content=content.as_json(), cutoff=now, frozen_at=now, freeze=claimed.number, audience=claimed.audience,
        addressed_to=0, finished_at=None, **_bodies(letter),
    )  # fmt: skip


def _bodies(letter: Letter) -> dict[str, str]:
    return {
        "subject": letter.subject,
        "preheader": letter.preheader,
        "html": letter.html,
        "text": letter.text,
        "html_sha256": sha256(letter.html.encode()).hexdigest(),
        "text_sha256": sha256(letter.text.encode()).hexdigest(),
        "renderer": letters.renderer(),
    }


# ---- assembling ------------------------------------------------------------------------------------------------


def refresh_drafts(session: Session, now: datetime) -> None:
    """Gather the content of every draft again, held ones too."""
    for digest in digests.listed(session, ("draft", "held")):
        _assemble(session, digest, now)


def assemble(session: Session, slot: str, now: datetime) -> Digest:
    """Open the slot's draft and gather its content, or gather it again. Raises Refused once the digest is frozen."""
    digest = _opened(session, slot, now)
    if digest.state not in ("draft", "held"):
        raise Refused(f"Digest {slot} is {digest.state}: what it says is frozen.")
    _assemble(session, digest, now)
    return digest


def _opened(session: Session, slot: str, now: datetime) -> Digest:
    """The slot's digest: created if there is none, reopened if it was skipped or has expired.

    The next tick would send a draft whose hour is past; soon after the last digest, it is held instead.
    """
    digest = digests.open_slot(session, slot, rule_history.due_near(session, slot, now), now)
    if digest.state in ("skipped", "expired"):
        digest.state, digest.reason, digest.finished_at = "draft", None, None
        if digest.due_at <= now and by_hand.why_early(session, slot, now):
            digest.state, digest.reason = "held", NOT_OWED
    return digest


def _assemble(session: Session, digest: Digest, now: datetime) -> None:
    _hold_passed_over(session, digest, now)
    compared = archive.new(session, max(now, digest.due_at))
    digest.content = digest_content.content(session, digest, compared, now).as_json() if compared else None


ARCHIVED_LATE = "the comparisons that it was held for were archived after its hour: release it to send it"


def _hold_passed_over(session: Session, digest: Digest, now: datetime) -> bool:
    """Hold the digest if many comparisons that earlier releases passed over would stand in it. True if it is held.

    Once an editor has archived them, it goes at its hour; if that is past, an editor still has to release it.
    """
    found = archive.passed_over(session, max(now, digest.due_at))
    if len(found) > archive.MANY and (digest.state == "draft" or digest.reason == NOT_OWED or archive.holds(digest)):
        digest.state, digest.reason = "held", archive.reason(found)
    elif len(found) <= archive.MANY and archive.holds(digest):
        late = digest.due_at <= now
        digest.state, digest.reason = ("held", ARCHIVED_LATE) if late else ("draft", None)
    return digest.state == "held"


# ---- addressing and finishing ----------------------------------------------------------------------------------


def address_frozen() -> None:
    """Create each frozen digest's deliveries page by page, then let senders claim them. The cursor is stored with each
    page, so a kill between two pages is harmless."""
    with reading() as session:
        frozen = [each.slot for each in digests.listed(session, ("frozen",))]
    for slot in frozen:
        with _apart(f"address {slot}"):
            while _address_page(slot):
                pass


def _address_page(slot: str) -> bool:
    now = datetime.now(UTC)
    with writing() as session:
        digest = digests.get(session, slot, lock=True)
        if digest.state != "frozen":
            return False
        if addressing.address(session, digest, now):
            return True
        # ANALYZE: claims were eight times slower while the planner still believed the table to be empty.
        session.execute(text("ANALYZE deliveries"))
        digests.begin(session, digest)
    return False


def finish_sent() -> None:
    """Finish digests without owed letters. Recovering a lapsed claim may give letters back to a digest that was
    cancelled meanwhile: cancel those too."""
    now = datetime.now(UTC)
    with reading() as session:
        sending = [each.id for each in digests.listed(session, ("sending",)) if not deliveries.owing(session, each.id)]
        ended = digests.listed(session, ("cancelled",))
        stray = [each.id for each in ended if deliveries.waiting(session, each.id)]
    for digest_id in sending:
        with writing() as session:
            deliveries.finish(session, digest_id, now)
    for digest_id in stray:
        while _cancel_page(digest_id, now):
            pass


def _cancel_page(digest_id: int, now: datetime) -> int:
    with writing() as session:
        return addressing.cancel(session, digest_id, now)


def count_ended() -> None:
    """Store the final counts of digests that have ended, so that a million rows are not counted again.

    Waits while a letter is unknown: its sender may still report the outcome.
    """
    with reading() as session:
        ended = [each.slot for each in digests.uncounted(session) if not deliveries.owing(session, each.id)]
    for slot in ended:
        with _apart(f"count {slot}"), writing() as session:
            digest = digests.get(session, slot, lock=True)
            if digest.state in ("finished", "cancelled") and not deliveries.owing(session, digest.id):
                digest.outcomes = accounts.progress(session, digest).states


# ---- by hand ---------------------------------------------------------------------------------------------------


GONE = ("frozen", "sending", "paused", "finished", "cancelled")
"""The states of a digest that has been released, however it ended."""


def send(session: Session, slot: str, now: datetime, late: bool = False) -> Digest:
    """Freeze the slot's digest now, even before it is due, and hand it to the workers. Idempotent once it is frozen.

    Refused while it is held, and (unless `late`) when it was due longer ago than DIGEST_LATENESS.
    """
    digest = _opened(session, slot, now)
    if digest.state not in GONE:
        _check_may_go(session, digest, now, late)
        freeze(session, digest, now)
    return digest


def _check_may_go(session: Session, digest: Digest, now: datetime, late: bool) -> None:
    if digest.state == "held" and digest.reason != NOT_OWED:
        raise Refused(f"Digest {digest.slot} is held; release it first: verdicts digest release {digest.slot}")
    if not late and now > digest.due_at + settings().digest_lateness:
        raise Refused(
            f"Digest {digest.slot} was due on {digest.due_at:%Y-%m-%d}, longer ago than DIGEST_LATENESS allows. To "
            f"send it all the same: verdicts digest send {digest.slot} --late"
        )
    found = archive.passed_over(session, now)
    if len(found) > archive.MANY:
        raise Refused(
            f"{len(found)} {archive.LISTED}. Open the draft with verdicts digest assemble {digest.slot} to see them; "
            f"then archive them, or release it: verdicts digest release {digest.slot}"
        )


def would_reach(session: Session, slot: str, now: datetime, late: bool = False) -> int:
    """The audience's size if it were frozen now. Raises Refused where `send` would refuse or skip the slot."""
    due = rule_history.due_near(session, slot, now)
    digest = digests.by_slot(session, slot) or Digest(slot=slot, due_at=due, state="draft")
    _check_may_go(session, digest, now, late)
    if not archive.new(session, now):
        raise Refused(f"Nothing is new for {slot}: import a comparison first.")
    return subscribers.active(session)


def draft_letter(slot: str, now: datetime) -> Letter:
    """The slot's letter as frozen, or as a freeze now would make it. Raises Refused when there is no content."""
    with reading() as session:
        digest = digests.by_slot(session, slot)
        if digest is not None and digest.html is not None and digest.text is not None:
            return Letter("digest", digest.subject or "", digest.preheader or "", digest.html, digest.text, digest.slot)
        digest = digest or Digest(slot=slot, due_at=rule_history.due_near(session, slot, now))
        compared = archive.new(session, max(now, digest.due_at))
        if not compared:
            raise Refused(f"Nothing is new for {slot}: import a comparison first.")
        return letters.digest(digest_content.content(session, digest, compared, now), site(settings()))


def _open_for_a_test(session: Session, slot: str, now: datetime) -> Digest:
    """The slot's digest; a new one is held if its hour is past and was not owed: the next tick would send a draft."""
    due, known = rule_history.due_near(session, slot, now), rule_history.owed_by(session, now, now)
    if due > now or not rule_history.history(session) or any(each.slot == slot for each in known):
        return digests.open_slot(session, slot, due, now)
    return digests.open_slot(session, slot, due, now, NOT_OWED)


def send_test(session: Session, slot: str, letter: Letter, address: str, now: datetime) -> TestLetter:
    """Queue the slot's letter, marked as a test, for one address."""
    to, marked = addresses.normal(address), letters.test(letter)
    digest = _open_for_a_test(session, slot, now)
    asked = TestLetter(
        digest_id=digest.id, address=to, subject=marked.subject, preheader=marked.preheader,
        html=marked.html, text=marked.text, asked_at=now,
    )  # fmt: skip
    session.add(asked)
    session.flush()
    deliveries.owe(session, "test", asked.id, tests_of_address.person_of(to), now)
    return asked
