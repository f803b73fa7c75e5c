"""Workers and clocks wait while the database is older than they are, and end where it is too new for them, or where
their signing key is not the site's."""

import sys
import time
from typing import Any

import structlog

from db import schema, signing_keys
from db.errors import SQLAlchemyError
from db.setting_errors import BadSettings
from db.signing_keys import ForeignSigningKey

LOOK_AGAIN_SECONDS = 1.0

log = structlog.get_logger("schema")
_said: set[str] = set()


def wait_for_schema(**_: Any) -> None:
    """Block until this release may work with the database; one log line says what it waits for.

    With a foreign signing key the process ends. If the database does not answer yet, the first look checks the key.
    """
    while True:
        try:
            found = schema.standing()
            if found.may_run:
                signing_keys.record()
                return
        except (ForeignSigningKey, BadSettings) as error:
            sys.exit(f"Error: {error}")
        except (SQLAlchemyError, OSError):
            return  # the looks themselves wait for a database that does not answer
        if found.answer == "later":
            sys.exit(f"Error: {found.told}")
        say_once(found.told)
        time.sleep(LOOK_AGAIN_SECONDS)


def say_once(told: str) -> None:
    """Log that this process waits for the database, once for each reason."""
    if told not in _said:
        _said.add(told)
        log.warning("waiting for the database", told=told)
