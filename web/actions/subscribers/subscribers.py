"""Actions on readers: suppress, lift, erase, import, export. The audit log names readers by number only."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from db.addresses import normal
from db.deliveries import erasure
from db.feedback import feedback
from db.masking import masked_in
from db.operators import audit
from db.operators.audit import Actor
from db.persons import person_of
from db.rules import Refused
from db.session import Session, reading, writing
from db.subscribers import imports, subscribers, suppressions
from db.subscribers.subscribers import Subscriber
from db.subscribers.suppressions import Suppression
from web.actions import Progress
from web.actions.subscribers import subscriber_csv, timeline
from web.actions.subscribers.subscriber_csv import CsvPage
from web.actions.subscribers.timeline import Timeline


class HeldBack(NamedTuple):
    """Somebody in a file whom an import does not make active, with the outcome and what it rests on."""

    address: str
    outcome: str
    because: str

    @property
    def still_here(self) -> bool:
        """Whether they are active here, and stay so although the file says otherwise."""
        return self.outcome.endswith(imports.STILL_HERE)


OnListed = Callable[[HeldBack], None]


def suppress(actor: Actor, addresses: Sequence[str], now: datetime, note: str | None = None) -> int:
    """Suppress addresses by hand. Returns how many. Raises BadAddress and changes nothing if one is invalid."""
    note = _harmless(note)
    with writing() as session:
        put = [suppressions.suppress(session, address, "by hand", now, note) for address in addresses]
        _keep(session, actor, "people.suppress", put, now, note)
    return len(put)


def lift(actor: Actor, hashes: Collection[str], now: datetime, note: str | None = None, *, as_admin: bool) -> int:
    """Lift suppressions by hash. Returns how many. Raises Refused where a reason needs a higher role or a note."""
    note = _harmless(note)
    with writing() as session:
        lifted = suppressions.lift(session, hashes, as_admin=as_admin, note=note)
        _forgive(session, lifted, now)
        _keep(session, actor, "people.lift", lifted, now, note)
    return len(lifted)


def _forgive(session: Session, lifted: Sequence[Suppression], now: datetime) -> None:
    """What came back before counts no more, or the next letter that comes back would suppress the address again."""
    feedback.forgive(session, [person_of(each.subscriber_id) for each in lifted if each.subscriber_id], now)


def _harmless(note: str | None) -> str | None:
    """The note with addresses masked, because audit entries cannot be erased."""
    return masked_in(note) if note else None


def _keep(
    session: Session, actor: Actor, action: str, rows: Sequence[Suppression], now: datetime, note: str | None
) -> None:
    if not rows:
        return
    ids = [row.subscriber_id for row in rows if row.subscriber_id is not None]
    one = f"subscriber {ids[0]}" if ids else f"suppression {rows[0].address_hash[:12]}"
    about = one if len(rows) == 1 else f"{len(rows)} suppressions"
    stands = {row.address_hash[:12]: f"{row.reason}, since {row.at:%Y-%m-%d %H:%M} UTC" for row in rows[:100]}
    before, after = (stands, None) if action == "people.lift" else (None, stands)
    audit.record(session, actor, action, now, about=about, ids=ids, count=len(rows), before=before, after=after,
               note=note)  # fmt: skip


def erase(actor: Actor, subscriber_id: int, now: datetime, note: str | None = None) -> None:
    """Erase a reader. Raises Refused for an unknown number or an erased reader."""
    with writing() as session:
        found = subscribers.find(session, subscriber_id)
        if found is None or found.state == "erased":
            raise Refused(f"Subscriber {subscriber_id} {'is erased already' if found else 'does not exist'}.")
        _erase(session, actor, found, now, note)


def erase_address(actor: Actor, address: str, now: datetime, note: str | None = None) -> None:
    """Erase whoever has this address: a reader, or somebody who only ever got test letters. Raises Refused if nothing
    is known of it."""
    to = normal(address)
    with writing() as session:
        found = subscribers.by_address(session, to)
        if found is not None:
            _erase(session, actor, found, now, note)
            return
        gone = erasure.erase_tests(session, to, now)
        if gone is None:
            raise Refused(f"{address} has never been a subscriber here, and no test letter to it is stored.")
        put, tests = gone
        audit.record(session, actor, "people.erase", now, about=f"suppression {put.address_hash[:12]}", count=1,
                   before={"test_letters": tests}, after={"test_letters": 0}, note=_harmless(note))  # fmt: skip


def _erase(session: Session, actor: Actor, found: Subscriber, now: datetime, note: str | None) -> None:
    before = found.state
    erasure.erase(session, found, now)
    audit.record(session, actor, "people.erase", now, about=f"subscriber {found.id}", ids=[found.id],
               before={"state": before}, after={"state": "erased"}, note=_harmless(note))  # fmt: skip


def export_one(actor: Actor, subscriber_id: int, now: datetime, note: str | None = None) -> Timeline:
    """All data about one reader, for export, which is audited. Raises Refused for an unknown reader."""
    with writing() as session:
        told = timeline.of(session, subscriber_id, now)
        audit.record(session, actor, "people.export", now, about=f"subscriber {subscriber_id}", ids=[subscriber_id],
                   note=_harmless(note))  # fmt: skip
    return told


def import_csv(
    actor: Actor, path: Path, consent: str, now: datetime, on_page: Progress, on_listed: OnListed,
    note: str | None = None,
) -> Counter[str]:  # fmt: skip
    """Import a file that subscriber_csv.check() has validated, page by page. Returns the number of people for each
    outcome, and tells `on_listed` of each person whom the file or this site holds back.

    Idempotent: people who are active already stay as they are. Each page is a transaction with its own audit entry.
    """
    done: Counter[str] = Counter()
    chosen_by = {"file": path.name, "consent": consent}
    for page in subscriber_csv.pages(path):
        with writing() as session:
            became = imports.add_imported(session, page.people, consent, path.name, now, _meanings(page))
            listed = _listed(session, became, page)
            outcomes = Counter(became.values())
            audit.record(session, actor, "people.import", now, about=f"file {path.name}"[:200], chosen_by=chosen_by,
                       count=outcomes["added"], after=dict(outcomes), note=note)  # fmt: skip
        _tell(outcomes, listed, done, on_listed)
        on_page(len(page.people))
    return done


def preview_import(path: Path, on_page: Progress, on_listed: OnListed) -> Counter[str]:
    """What import_csv() would return now, without importing anybody."""
    done: Counter[str] = Counter()
    for page in subscriber_csv.pages(path):
        with reading() as session:
            became = imports.preview_import(session, page.people, _meanings(page))
            listed = _listed(session, became, page)
        _tell(Counter(became.values()), listed, done, on_listed)
        on_page(len(page.people))
    return done


def _meanings(page: CsvPage) -> dict[str, str]:
    return {address: held.meaning for address, held in page.held.items()}


def _listed(session: Session, became: dict[str, str], page: CsvPage) -> list[HeldBack]:
    away = suppressions.reasons(session, [address for address, what in became.items() if what == "suppressed"])
    listed = []
    for address, what in became.items():
        if what in ("added", "unchanged"):
            continue
        because = page.held[address].cell if " in the file" in what else away.get(address, "")
        listed.append(HeldBack(address, what, because))
    return listed


def _tell(outcomes: Counter[str], listed: list[HeldBack], done: Counter[str], on_listed: OnListed) -> None:
    done.update(outcomes)
    for each in listed:
        on_listed(each)


def export_all(actor: Actor, file: TextIO, now: datetime, on_page: Progress, note: str | None = None) -> int:
    """Export everybody who has an address as CSV. Returns how many. Audited before the first line is written."""
    with writing() as session:
        audit.record(session, actor, "people.export", now, about="everybody", note=note)
    return subscriber_csv.save(file, on_page)
