"""Workers and clocks wait while the database is older than they are, and end where it is too new for them."""

import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from celery.signals import beat_init, celeryd_after_setup

from db import schema
from db.errors import DBAPIError, PoolTimeout, SQLAlchemyError
from db.refusals import refusal
from db.schema import WrongSchema

LOOK_AGAIN_SECONDS = 1.0

log = structlog.get_logger("schema")
_said: set[str] = set()


def wait_for_schema(**_: Any) -> None:
    """Block until this release may work with the database; one log line says what it waits for."""
    while True:
        try:
            found = schema.standing()
        except (SQLAlchemyError, OSError):
            return  # the tasks themselves wait for a database that does not answer
        if found.may_run:
            return
        if found.answer == "later":
            sys.exit(f"Error: {found.told}")
        _say_once(found.told)
        time.sleep(LOOK_AGAIN_SECONDS)


celeryd_after_setup.connect(wait_for_schema)
beat_init.connect(wait_for_schema)


def checked(task: Callable[[], object]) -> Callable[[], object]:
    """Wrap a task so that it does nothing while this release cannot work with the database; its work stays queued.

    So it does while the database refuses, being full or locked: one line is logged, and the clock rings again.
    """

    @wraps(task)
    def run() -> object:
        try:
            schema.check()
            return task()
        except WrongSchema as error:
            _say_once(str(error))
        except (DBAPIError, PoolTimeout) as error:
            if refusal(error) is None:
                raise
            log.exception("task broken off", task=f"{task.__module__}.{task.__name__}")
        return None

    return run


def _say_once(told: str) -> None:
    if told not in _said:
        _said.add(told)
        log.warning("waiting for the database", told=told)
