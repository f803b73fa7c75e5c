"""Whose the database is: an older release's, this one's or a later one's."""

import pytest

from db import schema
from db.schema import RELEASE, REVISION, WrongSchema
from db.session import writing
from tests.schemas import belongs_to


@pytest.fixture
def told(sqlite):
    schema.forget()
    yield
    schema.forget()


def test_a_migrated_database_is_this_releases_and_names_the_one_that_its_newest_revision_came_with(sqlite):
    assert schema.standing().answer == "this"
    with writing() as session:
        row = session.get(schema.SchemaRelease, 1)
    [newest] = schema.VERSIONS.glob(f"{REVISION}_*.py")
    assert row.revision == REVISION
    assert f'release = "{row.release}"' in newest.read_text()
    assert row.oldest <= row.release <= RELEASE


def test_an_empty_database_is_older(house):
    found = schema.standing()
    assert (found.answer, found.may_run) == ("older", False)
    assert found.told.startswith("The database is not set up")


def test_a_later_release_may_let_this_one_go_on(told):
    belongs_to("9.0.0", oldest=RELEASE)
    assert schema.standing().may_run
    schema.check()
    assert "release 9.0.0 (revision 9999), with which this release" in schema.standing().told


def test_a_later_release_that_does_not_is_named_with_what_to_do(told):
    belongs_to("0.10.0", oldest="0.10.0")
    sentence = "This database belongs to release 0.10.0; start that release or restore the copy made before."
    with pytest.raises(WrongSchema, match=sentence.replace(".", r"\.")):
        schema.check()


def test_releases_are_compared_as_numbers(told, monkeypatch):
    monkeypatch.setattr(schema, "RELEASE", "0.10.0")
    belongs_to("0.11.0", oldest="0.9.0")
    assert schema.standing().may_run
