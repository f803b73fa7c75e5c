"""How these tests look at a letter: what each is, its links, and the words that it shows."""

from dataclasses import replace
from xml.etree.ElementTree import Element

import html5lib

from emails.letters import ComparisonPart, DigestContent
from tests.emails.people import WEEK
from tests.emails.samples import samples

SAMPLES = dict(samples())


def parsed(html: str) -> Element:
    return html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)


def links(html: str) -> list[str]:
    return [each.attrib["href"] for each in parsed(html).iter("a")]


def shown_text(html: str) -> str:
    body = parsed(html).find("body")
    assert body is not None
    for each in [each for each in body.iter() if not isinstance(each.tag, str)]:
        each.text = None  # a comment
    return " ".join("".join(body.itertext()).split())


def week_of(*comparisons: ComparisonPart) -> DigestContent:
    return replace(WEEK, comparisons=comparisons)
