"""A reader of `verdicts up` stands in the places of the register and nowhere else, and after her erasure nowhere."""

import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import text

from db import register
from db.session import reading
from db.settings import settings
from tests import filled
from tests.crash.processes import until
from tests.web.cli.test_up import Up, bare

pytestmark = [pytest.mark.long, pytest.mark.crash, pytest.mark.timeout(240)]
VERDICTS = str(Path(sys.executable).with_name("verdicts"))


@pytest.fixture
def site(house: Path, monkeypatch) -> Iterator[Up]:
    monkeypatch.delenv("SECRET_KEY")
    started = Up(house)
    yield started
    started.process.terminate()
    started.process.wait(30)


def sign_up(site: Up) -> None:
    origin = f"http://localhost:{site.port}"
    form = urllib.parse.urlencode({"email": f" {filled.ZELDA} "}).encode()
    headers = {"Origin": origin, "Referer": f"{origin}/subscribe?email={filled.STORED}", "User-Agent": "Zeldafox"}
    with urllib.request.urlopen(urllib.request.Request(f"{origin}/subscribe", form, headers), timeout=20) as answer:
        assert answer.status == 200


def letters(house: Path) -> list[Path]:
    return [each for each in (house / "var/outbox/new").glob("confirm-*") if filled.traces(each.read_bytes())]


def owed() -> int:
    with reading() as session:
        return session.scalar(text("SELECT count(*) FROM jobs WHERE state IN ('pending', 'running')")) or 0


def in_redis(house: Path) -> dict[str, bytes]:
    """Every key with all that it holds."""
    with redis.Redis.from_url((house / "var/redis.url").read_text().strip()) as client:
        return {key.decode(): client.dump(key) or b"" for key in client.scan_iter("*")}


def test_she_stands_where_the_register_says_and_after_her_erasure_nowhere(site: Up, house: Path):
    site.wait_for("Send this week's digest with:")
    sign_up(site)
    until(lambda: letters(house), "the confirm letter")

    for file in (house / "var").rglob("*"):
        if file.is_file():
            place = register.elsewhere("file", str(file.relative_to(house / "var")))
            assert place, f"{file} has its line in db/register.py"
            assert place.word != "none" or not filled.traces(file.read_bytes()), file
    for key, value in in_redis(house).items():
        place = register.elsewhere("Redis", key)
        assert place, f"the Redis key {key} has its line in db/register.py"
        assert place.word != "none" or not filled.traces(value), key
    assert not filled.traces(site.said.read_bytes()), "the log"

    command = [VERDICTS, "subscribers", "erase", filled.ZELDA, "--yes", "--note", f"asked by {filled.ZELDA}"]
    subprocess.run(command, check=True, capture_output=True, env=bare(PORT=str(site.port)), timeout=60)
    settings.cache_clear()
    until(lambda: not owed(), "the erasure's jobs")
    assert filled.in_tables() == set()
    assert filled.in_files(house) == []
    assert not [key for key, value in in_redis(house).items() if filled.traces(key.encode() + value)]
