"""Templates to bodies: Jinja fills them in, MJML makes HTML of them; nobody else knows either."""

import hashlib
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import mjml
from markupsafe import Markup

from emails import formats

_SPECIAL = re.compile(r"[^ A-Za-z0-9,.:()_-]", re.ASCII)
TEMPLATES = Path(__file__).parent / "templates"


def html(letter: str, **values: object) -> str:
    """The letter's HTML from its MJML template."""
    return str(mjml.mjml2html(mjml_source(letter, **values), disable_comments=False))


def mjml_source(letter: str, **values: object) -> str:
    """The letter's MJML with everything filled in, as the reference validator wants to see it."""
    return _environment().get_template(f"{letter}.mjml").render(**values)


def text(letter: str, **values: object) -> str:
    """The letter's hand-made text part."""
    return _environment().get_template(f"{letter}.txt").render(**values).strip() + "\n"


@cache
def renderer() -> str:
    """What made the bodies: the renderer's version and a hash of all templates."""
    whole = hashlib.sha256()
    for path in sorted(TEMPLATES.iterdir()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"mjml-python {version('mjml-python')}, templates {whole.hexdigest()[:16]}"


@cache
def _environment() -> jinja2.Environment:
    # Flask and Jinja would not escape .mjml by themselves.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".mjml"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shown: dict[str, Any] = {
        "percent": formats.percent,
        "counted": formats.counted,
        "plural": formats.plural,
        "weekday": formats.weekday,
        "moment": formats.moment,
        "wrapped": formats.wrapped,
        "shortened": formats.shortened,
        "slug": lambda slug: quote(slug, safe=""),
        "attribute": _attribute,
        "commas": lambda number: f"{number:,}",
    }
    environment.filters.update(shown)
    # Keeps mail programs from showing the next words of the letter behind the preheader.
    environment.globals["filler"] = Markup("&#847;&zwnj;&nbsp;" * 30)
    return environment


def _attribute(value: str) -> Markup:
    """Text for an attribute in character references: mrml writes some characters there as Rust would."""
    return Markup(_SPECIAL.sub(lambda found: f"&#{ord(found[0])};", value))
