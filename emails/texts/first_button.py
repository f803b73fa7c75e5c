"""Keeps the first button of a digest near the top of a phone's screen: what is long above it is cut."""

from dataclasses import dataclass, replace

from emails.digest_content import ComparisonPart, ToolPart
from emails.texts import columns
from emails.texts.text_width import Type, cut, high, width

LOWEST = 900
"""So many pixels down, at most, the button ends on a screen 360 wide, if the fonts are the widest. In those that most
people have it ends well above, also in a test's letter with its one line more."""
_WIDE = 360 - 2 * 16

LABEL, SITE_NAME, QUESTION = Type(_WIDE, 15, 21), Type(_WIDE - 84, 19, 30), Type(_WIDE, 19, 28)
_TAGLINE = Type(_WIDE, 17, 25)
FACES = {"big": (19, Type(_WIDE, 38, 42)), "long": (34, Type(_WIDE, 30, 35)), "longer": (1000, Type(_WIDE, 24, 29))}
"""How the heading is set on a phone, by the room that it needs, in em."""

# From top to bottom, what has one height: above and below the preheader, around the masthead, the day, around the
# heading and the question, the rule, the paddings of the head, the figures, the button.
_FIXED = 23 + 36 + 29 + (24 + 12 + 24) + 19 + 16 + (1 + 10 + 137 + 12) + 52
_INVITATION = 8 + 25


@dataclass(frozen=True)
class Top:
    """What stands above the first button: the sentences before the comparison, the names as its heading has them, and
    the comparison."""

    site_name: str
    preheader: str
    inside: str
    names: tuple[str, str]
    part: ComparisonPart
    small: bool = False
    """Whether the heading is set small, however short it is."""

    @property
    def heading(self) -> str:
        return f"{self.names[0]} vs {self.names[1]}"

    @property
    def face(self) -> str:
        if self.small:
            return "longer"
        return next(face for face, (most, _) in FACES.items() if width(self.heading) <= most)

    @property
    def reaches(self) -> int:
        """How far down the first button ends on a phone, in pixels, at most."""
        first = self.part.tools[0]
        voted = any(tool.community.ship + tool.community.skip for tool in self.part.tools)
        return (
            _FIXED
            + high(self.preheader, LABEL)
            + high(self.site_name, SITE_NAME)
            + (8 + high(self.inside, LABEL) if self.inside else 0)
            + high(self.heading, FACES[self.face][1])
            + high(self.part.question, QUESTION)
            + (0 if voted else _INVITATION)
            + high(columns.entry_line(first), LABEL)
            + high(first.name, columns.names(self.part)._replace(room=_WIDE))
            + high(first.tagline, _TAGLINE)
        )


def near(top: Top) -> Top:
    """The same with its first button near the top: the taglines are cut first, then the question, the names last."""
    steps = (
        top,
        _cut(top, tagline=2),
        _cut(top, tagline=2, question=4),
        _cut(top, tagline=1, question=4, name=3),
        _cut(top, tagline=1, question=3, name=2),
        _tight(top),
    )
    return next((each for each in steps if each.reaches <= LOWEST), steps[-1])


def _cut(top: Top, tagline: int, question: int = 20, name: int = 20) -> Top:
    """So many lines, at most, for each tagline, the question and each name."""
    heading, head = FACES["longer"][1], columns.names(top.part)._replace(room=_WIDE)
    one, two = (
        replace(tool, name=cut(tool.name, name, head), tagline=cut(tool.tagline, tagline, _TAGLINE))
        for tool in top.part.tools
    )
    part = replace(top.part, question=cut(top.part.question, question, QUESTION), tools=(one, two))
    names = cut(top.names[0], name, heading), cut(top.names[1], name, heading)
    return replace(top, names=names, part=part)


def _tight(top: Top) -> Top:
    """What is near the top for any words."""
    least = _cut(top, tagline=1, question=3, name=1)
    one, two = map(_on_one_line, least.part.tools)
    return replace(
        least,
        site_name=cut(top.site_name, 2, SITE_NAME),
        preheader=cut(top.preheader, 3, LABEL),
        inside=cut(top.inside, 1, LABEL),
        part=replace(least.part, tools=(one, two)),
        small=True,
    )


def _on_one_line(tool: ToolPart) -> ToolPart:
    half = LABEL._replace(room=(_WIDE - 80) // 2)  # beside what stands between the two
    return replace(tool, category=cut(tool.category, 1, half), entry=cut(tool.entry, 1, half))
