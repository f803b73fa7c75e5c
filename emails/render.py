"""Renders templates to bodies with Jinja and MJML; no other module imports either for mail."""

import hashlib
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import mjml
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

from emails.letter import OwnVote
from emails.texts import formats, verdict_words

_SPECIAL = re.compile(r"[^ A-Za-z0-9,.:()_-]", re.ASCII)
_BODY = '<body style="word-spacing:normal;'
"""MJML gives no way to style the body, from which long words inherit how they break where styles are left out."""
TEMPLATES = Path(__file__).parent / "templates"


def html(letter: str, **values: object) -> str:
    """The letter's HTML from its MJML template."""
    made = str(mjml.mjml2html(mjml_source(letter, **values), disable_comments=False))
    return made.replace(_BODY, f"{_BODY}word-break:break-word;", 1)


def mjml_source(letter: str, **values: object) -> str:
    """The letter's MJML with all values filled in, as the reference validator expects it."""
    return _environment().get_template(f"{letter}.mjml").render(**values)


def text(letter: str, **values: object) -> str:
    """The letter's text part, from its own template."""
    return _environment().get_template(f"{letter}.txt").render(**values).strip() + "\n"


@cache
def renderer() -> str:
    """Identifies how the bodies were made: the renderer's version and a hash of all templates."""
    whole = hashlib.sha256()
    for path in sorted(TEMPLATES.iterdir()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"mjml-python {version('mjml-python')}, templates {whole.hexdigest()[:16]}"


@cache
def _environment() -> jinja2.Environment:
    # Jinja does not autoescape .mjml files by default.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".mjml"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # a letter that was begun with one release's templates is not ended with another's
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
        "readers_say": lambda part: " ".join(verdict_words.readers_say(part, 120)),
        "own_words": verdict_words.own_words,
        "commas": lambda number: f"{number:,}",
    }
    environment.filters.update(shown)
    # Padding, so that mail apps do not show the start of the letter after the preheader.
    environment.globals["filler"] = Markup("&#847;&zwnj;&nbsp;" * 30)
    environment.globals["own"] = _own
    return environment


@jinja2.pass_eval_context
def _own(context: EvalContext, place: int, ship: str = "", skip: str = "", none: str = "") -> str:
    """A place for the reader's own vote on the digest's tool of that number (see OwnVote). Each piece is text or inline
    markup, may be empty, and holds no mark."""
    if context.autoescape:
        return Markup(str(OwnVote(place, *map(escape, (ship, skip, none)))))
    return str(OwnVote(place, ship, skip, none))


def _attribute(value: str) -> Markup:
    """Escapes text for an attribute as character references: mrml writes some characters there as Rust escapes."""
    return Markup(_SPECIAL.sub(lambda found: f"&#{ord(found[0])};", value))
