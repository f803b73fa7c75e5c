"""One application for all tests that have the same settings: to make it and its templates takes longer than most do."""

from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from db.settings import settings
from web.app import create_app
from worker import bell


class CompiledTemplates(BytecodeCache):
    """The code of every template that any application of this process has shown; a changed one is compiled anew."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], object] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}  # also where a test makes its own

REMEMBERED = ("view_functions", "config", "extensions")
_applications: dict[str, tuple[Flask, dict[str, Any]]] = {}


def application() -> Flask:
    """The application for the settings of this moment, as `create_app` made it for the first test that had the same.

    Whatever a test put in place of a view, or made the application remember, is gone.
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
    bell.attach()
    return kept
