"""Shares one Flask application between all tests with the same settings, and makes another one cheap to create."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

from db.settings import settings
from web.app import create_app
from web.readers.answers import store_of


class CompiledTemplates(BytecodeCache):
    """A Jinja bytecode cache that all applications of this process share. A changed template is compiled again, because
    the key includes a checksum of its source."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], object] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


# Set on the class, so that an application that a test creates itself uses the cache too.
Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}

_compile = Rule._compile_builder
_builders: dict[object, Callable[..., Any]] = {}


def _compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    """The function that builds a route's URLs, compiled once for all applications. Werkzeug compiles two of them for
    each route, which takes most of the time of `create_app`; they depend on what is given here alone."""
    key = tuple(rule._trace), str(rule.defaults), append_unknown
    return _builders.setdefault(key, _builders.get(key) or _compile(rule, append_unknown))


Rule._compile_builder = _compile_once  # type: ignore[method-assign]

REMEMBERED = ("view_functions", "config", "extensions")
_applications: dict[str, tuple[Flask, dict[str, Any]]] = {}


def application() -> Flask:
    """The application for the current settings, in the state in which `create_app` returned it.

    Its views, config and extensions are restored, so nothing that an earlier test replaced or cached is left.
    """
    known = settings().model_dump_json(exclude={"database_url", "redis_url"})
    if known not in _applications:
        made = create_app()
        _applications[known] = made, {name: dict(getattr(made, name)) for name in REMEMBERED}
    kept, fresh = _applications[known]
    for name, content in fresh.items():
        getattr(kept, name).clear()
        getattr(kept, name).update(content)
    kept.test_client_class = None
    store_of(kept).forget()
    return kept
