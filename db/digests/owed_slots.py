"""Which slots are owed, and when: arithmetic on the history of the schedule's rule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from db.digests.schedule import Weekly

MARGIN = timedelta(days=15)
"""How far one looks beyond both ends: a week may have had its letter, or may still get it, under another rule."""
MOVED = "The schedule moved"
"""How the reason of a digest begins that was held because of a change, so that a later change may let it go again."""


NOT_OWED = "it was opened after its hour: release it or send it"
"""The reason of a digest that a test letter opened after its hour, and that nobody has asked to be sent."""


@dataclass(frozen=True, slots=True)
class StandingRule:
    """A rule, and the moment from which it holds: until the next one's."""

    rule: Weekly
    holds_from: datetime


@dataclass(frozen=True, slots=True)
class OwedSlot:
    """A slot and the moment at which it is due; `held` is the reason why an editor has to decide about it."""

    slot: str
    due: datetime
    held: str | None = None


History = Sequence[StandingRule]
"""Rules in the order in which they hold."""


def owed(history: History, since: datetime, until: datetime) -> list[OwedSlot]:
    """The slots owed in (since, until], oldest first.

    A slot is owed if it was due under the rule that stood at its time, so a change of the rule makes nothing due at
    once. It is owed once, and a week that has had its letter, as the new rule's zone counts weeks, owes no second one.
    A week that lies between two rules is held, from the change on: the old rule's hour no longer comes and the new
    rule's had passed.
    """
    plan: dict[str, OwedSlot] = {}
    known = [each for each in history if each.holds_from <= until]
    # Beyond `until`, since a week is not held if a later change makes it due after all.
    ends = [*(each.holds_from for each in known), until + MARGIN][1:]
    for standing, end in zip(known, ends, strict=True):
        rule = standing.rule
        for slot in rule.slots(max(standing.holds_from, since - MARGIN), end):
            if not _has_gone(plan.values(), rule, slot):
                plan[slot] = OwedSlot(slot, rule.due(slot))
        after = _after(known, standing)
        if after and since - MARGIN < after.holds_from:
            _hold_between(plan, rule, after)
    return sorted((each for each in plan.values() if since < each.due and _is_told(each, until)), key=_by_due)


def rule_at(history: History, moment: datetime) -> Weekly:
    """The rule that stood at that moment; before the first one, the first."""
    return ([each.rule for each in history if each.holds_from <= moment] or [history[0].rule])[-1]


def _after(history: History, standing: StandingRule) -> StandingRule | None:
    return next((later for before, later in pairwise(history) if before is standing), None)


def _has_gone(known: Iterable[OwedSlot], rule: Weekly, slot: str) -> bool:
    """Whether the week has a letter already; a held one does not count, since it may never be sent."""
    return any(slot in (each.slot, rule.slot_of(each.due)) for each in known if not each.held)


def _hold_between(plan: dict[str, OwedSlot], before: Weekly, after: StandingRule) -> None:
    """Plan as held the week whose old hour no longer comes, where the new rule's hour had passed at the change."""
    changed = after.holds_from
    due = before.due(before.slots(changed, changed + timedelta(days=9))[0])
    slot = after.rule.slot_of(due)
    if after.rule.due(slot) > changed or slot in plan or _has_gone(plan.values(), after.rule, slot):
        return
    plan[slot] = OwedSlot(slot, due, _reason(before, after))


def _reason(before: Weekly, after: StandingRule) -> str:
    day = after.holds_from.astimezone(after.rule.zone)
    return (
        f"{MOVED} on {day:%A}, {day.day} {day:%B}, from {_within(before)} to {_within(after.rule)}. This week falls "
        "between the two. Release the digest to send it at the old hour; if you skip or leave it, its comparisons go "
        "into the next one."
    )


def _within(rule: Weekly) -> str:
    """The rule in words, within a sentence."""
    return rule.in_words[0].lower() + rule.in_words[1:]


def _is_told(each: OwedSlot, until: datetime) -> bool:
    """A week between two rules is told of as soon as the rule has changed, so that editors have time."""
    return each.due <= until or each.held is not None


def _by_due(each: OwedSlot) -> datetime:
    return each.due
