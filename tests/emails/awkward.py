"""Weeks that are hard to lay out: endless words, other directions and scripts, nothing voted on, nothing reviewed."""

from dataclasses import replace

from emails.letters import ComparisonPart, DigestContent, Quote, Score, ToolPart
from tests.emails.people import FIRST, LARKSPUR, SECOND_PAIR, TOLD, WEEK, long_week

_NONE = Score(0, 0)
_ARABIC = "قارئ يراجع الشيفرة قبل أن يراها زميل، ثم يكتب رأيه"
_EMOJI = "👩‍👩‍👧🚀💡🧪" * 12


def _said(words: str) -> DigestContent:
    """The week with these words wherever content can stand."""
    tools = [
        replace(tool, name=words, category=words, tagline=words, entry=words, quote_for=Quote(words, "ship", words),
                quote_against=None)
        for tool in (LARKSPUR, SECOND_PAIR)
    ]  # fmt: skip
    part = ComparisonPart("a-slug", words, (tools[0], tools[1]), 8)
    movers = tuple(replace(each, name=words) for each in WEEK.movers)
    return replace(TOLD, comparisons=(part, replace(part, slug="b-slug"), part, part, part), movers=movers)


def _each(**changed: object) -> DigestContent:
    """The week in which each tool is changed so."""

    def changed_part(part: ComparisonPart) -> ComparisonPart:
        one, two = (replace(tool, **changed) for tool in part.tools)  # type: ignore[arg-type]
        return replace(part, tools=(one, two), reviews=0)

    return replace(WEEK, comparisons=tuple(map(changed_part, WEEK.comparisons)), movers=())


def _of_two(one: ToolPart, two: ToolPart) -> DigestContent:
    return replace(WEEK, comparisons=(replace(FIRST, tools=(one, two)), *WEEK.comparisons[1:]))


AWKWARD = {
    "hundred": _said("x" * 100),
    "right-to-left": _said(_ARABIC),
    "emoji": _said(_EMOJI),
    "chinese": _said("这个工具在同事之前阅读你的合并请求并写下意见" * 3),
    "fifty": long_week(50),
    "no-votes": _each(community=_NONE),
    "no-reviews": _each(panel=_NONE, quote_for=None, quote_against=None),
    "nothing": _each(panel=_NONE, community=_NONE, quote_for=None, quote_against=None),
    "large": _of_two(
        replace(LARKSPUR, panel=Score(40, 0), community=Score(1_234_567, 0)),
        replace(SECOND_PAIR, panel=Score(1, 39), community=Score(1, 0)),
    ),
}
