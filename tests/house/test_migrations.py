"""The migrations lead to exactly the tables that the code expects."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from db import migrations, schema
from db.engine import engine
from db.tables import TABLES


def test_migrations_equal_the_models(database):
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, TABLES) == []


def test_a_migrated_database_is_current_and_migrating_again_changes_nothing(database):
    assert schema.standing().may_run
    migrations.upgrade()
    assert schema.standing().may_run


@pytest.mark.parametrize("url", ["sqlite:///new/folder/verdicts.sqlite3"])
def test_a_new_database_is_made_with_its_folder(setting, url):
    setting(DATABASE_URL=url)
    assert not schema.standing().may_run
    migrations.upgrade()
    assert schema.standing().may_run
