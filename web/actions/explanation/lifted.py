"""How mail to an address was allowed again after it had been stopped, as the audit log has it."""

from db.addresses import hashes_of
from db.operators import audit
from db.operators.audit import AuditEntry, AuditFilter
from db.session import Session
from web.actions.explanation.case import Lifted

ACTIONS = ("people.lift", "suspected.lift")


def of_subscriber(session: Session, number: int, address: str | None) -> tuple[Lifted, ...]:
    """Each time that an operator allowed mail to a reader again, the latest first."""
    return tuple(_lifted(each, address) for each in audit.touching(session, ACTIONS, number))


def of_address(session: Session, address: str) -> tuple[Lifted, ...]:
    """The same for an address that is no reader's."""
    about = [f"suppression {each[:12]}" for each in hashes_of(address)]
    found = [each for name in about for each in audit.listed(session, AuditFilter(None, "people.lift", name), 100)]
    return tuple(_lifted(each, address) for each in found)


def _lifted(entry: AuditEntry, address: str | None) -> Lifted:
    return Lifted(entry.at, _reason(entry, address), entry.actor, entry.note)


def _reason(entry: AuditEntry, address: str | None) -> str:
    """For which reason mail was stopped; only hard bounces are ever suspected."""
    before: dict[str, str] = entry.before or {}
    own = [before[each[:12]] for each in (hashes_of(address) if address else []) if each[:12] in before]
    told = own or (list(before.values()) if entry.count == 1 else [])
    return told[0].partition(", since")[0] if told else "hard bounce" if entry.action == "suspected.lift" else ""
