"""A letter's HTML as a tree of elements, with what is wrong in its nesting. Comments, Outlook's too, are left out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser

_VOID = "area base br col embed hr img input link meta source track wbr"
VOID = frozenset(_VOID.split())


@dataclass(eq=False)
class Element:
    """An element: its tag, its attributes, and what stands in it: elements and texts in their order."""

    tag: str
    attributes: dict[str, str]
    above: "Element | None" = None
    children: "list[Element | str]" = field(default_factory=list)

    @cached_property
    def classes(self) -> frozenset[str]:
        return frozenset(self.attributes.get("class", "").split())

    def __iter__(self) -> "Iterator[Element]":
        """This element and all below it, in their order."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    @property
    def words(self) -> str:
        """Its text on one line, without that of styles."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in ("style", "script", "title"):
                yield from child._texts()


@dataclass(frozen=True)
class Page:
    """The whole tree, and each mistake in its nesting."""

    root: Element
    mistakes: tuple[str, ...]

    @cached_property
    def elements(self) -> list[Element]:
        """All elements, in their order."""
        return list(self.root)

    def all(self, *tags: str) -> list[Element]:
        """All elements of these tags; of any tag without one."""
        return [each for each in self.elements if each.tag in tags or not tags]

    @property
    def styles(self) -> str:
        """What its style elements say."""
        return "\n".join("".join(each._texts()) for each in self.all("style"))


def read(html: str) -> Page:
    """The page of this HTML."""
    reader = _Reader()
    try:
        reader.feed(html)
        reader.close()
    except AssertionError:  # up to Python 3.13 the parser raises it for some of what begins with `<![`
        reader.mistakes.append("some of it cannot be read")
    unclosed = [f"<{each.tag}> is not closed" for each in reader.open[1:]]
    return Page(reader.open[0], tuple(reader.mistakes + unclosed))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]
        self.mistakes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len({name for name, _ in attrs}) < len(attrs):
            self.mistakes.append(f"<{tag}> has an attribute twice")
        if tag == "a" and any(each.tag == "a" for each in self.open):
            self.mistakes.append("a link stands in a link")
        made = Element(tag, {name: value or "" for name, value in attrs}, self.open[-1])
        self.open[-1].children.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.mistakes.append(f"<{tag}/> closes itself")
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if tag == self.open[-1].tag:
            self.open.pop()
            return
        self.mistakes.append(f"</{tag}> closes <{self.open[-1].tag}>")
        if tag in [each.tag for each in self.open]:
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)
