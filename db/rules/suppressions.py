"""Suppressions: which reason weighs more, and who may lift one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class SuppressionRule:
    """A reason's weight (the heavier one stays), the lowest role that may lift it, and how to say so."""

    weight: int
    lifted_by: Literal["operator", "admin"]
    lifted: str
    needs_note: bool = True
    """Whether whoever lifts it has to say why."""


SUPPRESSIONS: Mapping[str, SuppressionRule] = MappingProxyType(
    {
        "by hand": SuppressionRule(1, "operator", "by an operator", needs_note=False),
        "repeated soft bounce": SuppressionRule(
            2, "operator", "by an operator, who says why, once the mailbox takes mail again"
        ),
        "hard bounce": SuppressionRule(
            3, "operator", "by an operator, who says why, once the address is known to work"
        ),
        "complaint": SuppressionRule(4, "admin", "by an admin, who says why: the reader called our mail spam"),
        "erased": SuppressionRule(5, "admin", "by an admin, who says why: the reader had everything erased"),
    }
)


HARD_BOUNCE_REST = timedelta(days=1)
"""How long after a hard bounce a new sign-up gets no confirm letter; the mailbox may exist by then."""
