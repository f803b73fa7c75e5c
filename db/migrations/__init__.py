"""How the database came to look as it does: one step after the other, from nothing to today."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from db import schema
from db.schema import WrongSchema


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade() -> None:
    """Make the database, or bring it to this release. Processes that start together wait for one another."""
    found = schema.standing()
    if found.answer == "later":
        if found.may_run:
            return
        raise WrongSchema(found.told)
    command.upgrade(_config(), "head")
    schema.forget()
