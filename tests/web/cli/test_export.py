"""A file of readers' addresses is readable by whoever asked for it alone."""

from click.testing import CliRunner

from tests.db.test_private_files import modes
from web.cli import main


def test_the_file_that_an_export_writes_is_its_owners_alone(sqlite, house):
    (house / "out").mkdir(mode=0o700)
    done = CliRunner().invoke(main, ["subscribers", "export", "--out", str(house / "out/people.csv")])
    assert done.exit_code == 0, done.output
    assert (house / "out/people.csv").read_text().startswith("email,")
    assert modes(house / "out") == {}


def test_so_is_the_list_of_those_whom_an_import_does_not_bring_back(sqlite, house):
    (house / "out").mkdir(mode=0o700)
    (house / "people.csv").write_text("email\nalice@reader.example\n")
    words = ["subscribers", "import", "people.csv", "--consent", "asked", "--list", str(house / "out/left.csv")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert (house / "out/left.csv").exists()
    assert modes(house / "out") == {}
