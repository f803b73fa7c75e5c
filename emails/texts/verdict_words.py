"""What a comparison's figures say, in sentences that are true: who would ship which tool, and by how much."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from emails.digest_content import ComparisonPart, Score, ToolPart
from emails.texts.formats import percent, shortened

Says = Literal["ship", "skip", "split", "one", "nothing"]
SUBJECT, PREHEADER = 50, 150
_FEW = 12  # votes: so few are told by number ("3 of 4"), since a percentage would promise more than there is


def says(score: Score) -> Says:
    """What the votes (or reviews) on one tool say together; a single one speaks for itself alone."""
    total = score.ship + score.skip
    if total < 2:
        return "one" if total else "nothing"
    return "split" if score.ship == score.skip else "ship" if score.ship > score.skip else "skip"


def part_of(some: int, total: int) -> str:
    """So many of the total: 3 of 4; 68% of 214."""
    share = percent(Score(some, total - some))
    if total <= _FEW or share in (0, 50, 100):  # 201 of 400 are no half, and 999 of 1,000 are not all
        return f"{some:,} of {total:,}"
    return f"{share}% of {total:,}"


class _Judge(NamedTuple):
    """Who judges, as the words of a sentence."""

    name: str
    are: str
    one: Callable[[str, str], str]
    nothing: Callable[[str], str]


_PANEL = _Judge(
    "The panel", "is",
    lambda tool, choice: f"The only reviewer of {tool} says {choice}.",
    lambda tool: f"The panel hasn’t reviewed {tool}.",
)  # fmt: skip
_READERS = _Judge(
    "Readers", "are",
    lambda tool, choice: f"The one vote on {tool} says {choice}.",
    lambda tool: f"Nobody has voted on {tool} yet.",
)  # fmt: skip


def panel_says(part: ComparisonPart, longest: int = 30) -> list[str]:
    """What the panel says of both tools; nothing without a review."""
    if all(says(tool.panel) == "nothing" for tool in part.tools):
        return []
    return _said(_PANEL, [(shortened(tool.name, longest), tool.panel) for tool in part.tools])


def readers_say(part: ComparisonPart, longest: int = 30) -> list[str]:
    """What readers say of both tools, and an invitation while nobody has voted."""
    if all(says(tool.community) == "nothing" for tool in part.tools):
        return ["Nobody has voted yet: be the first."]
    return _said(_READERS, [(shortened(tool.name, longest), tool.community) for tool in part.tools])


def _said(judge: _Judge, scores: Sequence[tuple[str, Score]]) -> list[str]:
    together = [(name, score) for name, score in scores if says(score) in ("ship", "skip", "split")]
    alone = [(name, score) for name, score in scores if says(score) in ("one", "nothing")]
    sentences = [_together(judge, together)] if together else []
    for name, score in alone:
        one = judge.one(name, "ship" if score.ship else "skip")
        sentences.append(one if says(score) == "one" else judge.nothing(name))
    return sentences


def _together(judge: _Judge, scores: Sequence[tuple[str, Score]]) -> str:
    if len(scores) == 2 and says(scores[0][1]) == says(scores[1][1]):
        listed = " and ".join(f"{_apart(name)} ({_evidence(score)})" for name, score in scores)
        return f"{judge.name} {_verb(judge, says(scores[0][1]))} both: {listed}."
    would = all(says(score) != "split" for _, score in scores)
    verbs = [_verb(judge, says(score)) for _, score in scores]
    verbs[1:] = [verb.removeprefix("would ") if would else verb for verb in verbs[1:]]  # would ship A and skip B
    clauses = (f"{verb} {_apart(name)} ({_evidence(score)})" for verb, (name, score) in zip(verbs, scores, strict=True))
    return f"{judge.name} {' and '.join(clauses)}."


def _apart(name: str) -> str:
    """The name, with a left-to-right mark behind one that ends in a right-to-left script: without it the figures behind
    the name would be shown before it."""
    strong = [each for each in map(unicodedata.bidirectional, name) if each in ("L", "R", "AL")]
    return f"{name}\u200e" if strong and strong[-1] != "L" else name


def _verb(judge: _Judge, what: Says) -> str:
    return f"{judge.are} split on" if what == "split" else f"would {what}"


def _evidence(score: Score) -> str:
    if says(score) == "split":
        return f"{score.ship:,} to {score.skip:,}"
    return part_of(max(score.ship, score.skip), score.ship + score.skip)


# ---- last week ---------------------------------------------------------------------------------------------


def own_words(tool: ToolPart, choice: Literal["ship", "skip"]) -> str:
    """What a reader who voted so is told under last week's result."""
    score = tool.community
    same, total = (score.ship if choice == "ship" else score.skip), score.ship + score.skip
    said = f"You said ship to {tool.name}" if choice == "ship" else f"You skipped {tool.name}"
    if same < 2:  # theirs alone, or newer than the figures
        return f"{said}."
    return f"{said}, as did {part_of(same, total)}."


# ---- the subject and what goes on from it -------------------------------------------------------------------


def subject(part: ComparisonPart) -> str:
    """The question, or the panel's verdict where the panel tells the two apart, in at most 50 characters."""
    one, two = (tool.name for tool in part.tools)
    verdict = _verdict(part)
    candidates = (f"{one} vs {two}: {part.question}", verdict, _would_you(one, two), part.question)
    fitting = (each for each in candidates if each and len(each) <= SUBJECT)
    room = (SUBJECT - len(_would_you("", ""))) // 2
    return next(fitting, _would_you(shortened(one, room), shortened(two, room)))


def _would_you(one: str, two: str) -> str:
    return f"Would you ship {one} or {two}?"


def _verdict(part: ComparisonPart) -> str:
    said = {says(tool.panel): tool.name for tool in part.tools}
    return f"The panel: ship {said['ship']}, skip {said['skip']}" if said.keys() == {"ship", "skip"} else ""


def preheader(part: ComparisonPart, more: str = "") -> str:
    """What goes on from the subject: what the panel says, unless the subject is that, and readers, and what else is
    inside; 20 to 150 characters."""
    panel = [] if subject(part) == _verdict(part) else panel_says(part)
    whole = ""
    for sentence in (*panel, *readers_say(part), *filter(None, [more])):
        if len(whole) + 1 + len(sentence) <= PREHEADER:
            whole = f"{whole} {sentence}".lstrip()
    return whole
