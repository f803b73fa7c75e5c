"""How the database came to look as it does: one step after the other, from nothing to today."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from db.session import engine


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade() -> None:
    """Make the database, or bring it to this release. Processes that start together wait for one another."""
    command.upgrade(_config(), "head")


def is_current() -> bool:
    """Whether the database is as this release needs it."""
    with engine().connect() as connection:
        stands = MigrationContext.configure(connection).get_current_heads()
    return set(stands) == set(ScriptDirectory.from_config(_config()).get_heads())
