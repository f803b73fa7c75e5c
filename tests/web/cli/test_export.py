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
