"""Fixtures for all tests: a folder and settings for each, small real servers, a frozen clock, and the cast."""

import gc
import os
import shutil
import threading
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import time_machine
from sqlalchemy import text

from db import engine, moments, session
from db.deliveries.claiming import recovery
from db.digests import catalog
from db.settings import Settings, settings, variable
from emails.dns import questions
from emails.dns.dns_checks import Unanswered
from tests import templates, threads
from tests.databases import Emptying, sharing_compiled_statements
from tests.templates import close_engines as _close_engines
from tests.templates import order as _order  # noqa: F401  for tests that make databases
from tests.templates import renamed as _renamed
from worker.redis import EmbeddedRedis

START = datetime(2026, 11, 17, 8, 0, tzinfo=UTC)
"""The Tuesday of 2026-W47, an hour before the digest is due."""


# Nearly all that a test process holds is held to its end: 5,000 tests and their modules. To search it for garbage at
# Python's pace takes a fifth of the collection's time.
gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def _no_name_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the machine's name servers: `verdicts doctor` would wait for them. A played one has time to answer
    on a busy machine."""

    def none() -> None:
        raise Unanswered("no name servers in this test")

    monkeypatch.setattr(questions, "machine", none)
    monkeypatch.setattr(questions, "SECONDS", 60.0)
    monkeypatch.setattr(questions, "_ONE", 30.0)


def pytest_collection_finish() -> None:
    """Let no garbage collection look again at what was imported and collected."""
    gc.freeze()


LONG_FOLDERS = ("browser", "crash")
"""Folders whose tests are all `long`, and are marked with the folder's name too."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' folders in memory where there is room: SQLite waits for the disk at each commit. Make the folder
    of the databases that all processes copy."""
    memory = Path("/dev/shm")
    if memory.is_dir() and not os.statvfs(memory).f_flag & os.ST_NOEXEC and shutil.disk_usage(memory).free > 2**30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
    if made := templates.begin_run():
        config.add_cleanup(lambda: templates.end_run(made))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m long`, import only the files that have such tests: each process would import all of them for 5 s."""
    if config.option.markexpr != "long" or not collection_path.match("test_*.py"):
        return None  # other plugins decide
    long = _folder(collection_path) in LONG_FOLDERS or "mark.long" in collection_path.read_text()
    return None if long else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests in tests/browser and tests/crash as `browser` and `crash`, for `-m`, and as `long`. Deselect the
    tests marked `outside` unless `-m` names them, and under xdist put those first that mostly wait."""
    for item in items:
        if (folder := _folder(item.path)) in LONG_FOLDERS:
            item.add_marker(folder)
            item.add_marker("long")
    if "outside" not in config.option.markexpr:
        leave_out(config, items, "outside")
    if processes := int(getattr(config, "workerinput", {}).get("workercount", 0)):
        items[:] = waiting_tests_first(items, processes)


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


def leave_out(config: pytest.Config, items: list[pytest.Item], marker: str) -> None:
    """Deselect the tests with this marker. A `-m` in addopts could not: a `-m` on the command line replaces it."""
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(marker)])
    items[:] = [item for item in items if not item.get_closest_marker(marker)]


def waiting_tests_first(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in an order in which all processes but as many as there are cores begin with their share of the crash
    tests and of those marked `waits`.

    They mostly wait, so they should run beside tests that compute, and not all in one process at the end.
    `--dist worksteal` gives process i the i-th slice of the list, so each slice begins with its share of them.
    """
    waiting = [item for item in items if _waits(item)]
    computing = [item for item in items if not _waits(item)]
    ordered: list[pytest.Item] = []
    busy = cores() if processes > cores() else 0
    for process in range(processes):
        share = waiting[process - busy :: processes - busy] if process >= busy else []
        end = len(items) * (process + 1) // processes
        length = max(0, end - len(ordered) - len(share))
        ordered += share + computing[:length]
        del computing[:length]
    return ordered + computing


def _waits(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("crash") or item.get_closest_marker("waits"))


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """More processes than there are cores, since many tests wait: for other processes, or for a lease's end. Each costs
    five seconds of CPU to import all tests and to start its servers, and few but the long tests wait for longer.

    Tests chosen by name or file run in this process: servers for a second one would cost more than it saves.
    """
    few = config.option.keyword or all("::" in each or each.endswith(".py") for each in config.args)
    return 0 if few else cores() + (2 if "not long" in config.option.markexpr else 5)


def cores() -> int:
    """The cores that this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---- a folder and settings of one's own --------------------------------------------------------------------


@pytest.fixture(autouse=True)
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The empty folder that the test runs in. No environment variable of ours is set but SECRET_KEY; `var/` would be
    created here."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.setenv("SECRET_KEY", "a key for tests")
    # Without listeners no bell thread starts, which would never end.
    monkeypatch.setattr(session, "_listeners", [])
    monkeypatch.setattr(session, "on_commit", lambda listener: None)
    monkeypatch.setattr(engine, "_make", sharing_compiled_statements(engine._make))
    # PostgreSQL's clock goes on while the fixture `clock` stands still.
    monkeypatch.setattr(moments, "measure", lambda _: None)
    monkeypatch.setattr(recovery, "_UP_FOR_SECONDS", text("true"))  # the tests' PostgreSQL may have just started
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    running = set(threading.enumerate())
    yield tmp_path
    threads.wait_until_ended(running)
    _close_engines()
    settings.cache_clear()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch):
    """Set variables for the rest of the test: `setting(SEND_WINDOW=4)`."""

    def put(**variables: object) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        settings.cache_clear()
        return settings()

    return put


# ---- databases: SQLite and PostgreSQL, migrated once and copied for each test -----------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests run on both kinds of database, but for those marked `once` (SQL is not their subject), those that name a
    kind themselves, and browser tests, which have a fixture of their own."""
    names = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    named = any("database" in (each.split(",") if isinstance(each, str) else each) for each in names)
    browser = Path(__file__).with_name("browser") in metafunc.definition.path.parents
    if "database" in metafunc.fixturenames and not named and not browser:
        once = metafunc.definition.get_closest_marker("once")
        metafunc.parametrize("database", ["sqlite"] if once else ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, setting) -> Iterator[str]:
    """The URL of a fresh migrated database that DATABASE_URL names, of the kind that `pytest_generate_tests` chose."""
    yield from request.getfixturevalue(f"_{request.param}")


@pytest.fixture
def sqlite(_sqlite: Iterator[str]) -> Iterator[str]:
    """A fresh migrated SQLite database alone, for what does not depend on the kind."""
    yield from _sqlite


@pytest.fixture
def postgresql(_postgresql: Iterator[str]) -> Iterator[str]:
    """A fresh migrated PostgreSQL database alone."""
    yield from _postgresql


@pytest.fixture
def _sqlite(house: Path, setting) -> Iterator[str]:
    def fresh() -> Iterator[str]:
        shutil.copy(templates.sqlite(), house / "verdicts.sqlite3")
        url = f"sqlite:///{house}/verdicts.sqlite3"
        setting(DATABASE_URL=url)
        yield url

    return fresh()


@pytest.fixture
def _postgresql(_postgresql_database: tuple[str, Emptying], setting) -> Iterator[str]:
    url, emptying = _postgresql_database

    def fresh() -> Iterator[str]:
        emptying.empty()
        setting(DATABASE_URL=url)
        yield url
        _close_engines()

    return fresh()


@pytest.fixture(scope="session")
def _postgresql_database(_postgresql_server: str) -> Iterator[tuple[str, Emptying]]:
    """One migrated database for the session; each test finds it empty."""
    url = _renamed(_postgresql_server, templates.NAME)
    emptying = Emptying(url)
    yield url, emptying
    emptying.close()


@pytest.fixture(scope="session")
def _postgresql_server() -> Iterator[str]:
    with templates.postgresql() as server:
        yield server.get_uri()


# ---- Redis ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """The embedded Redis, real, for the whole session."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, setting) -> str:
    """The URL of an empty Redis, which REDIS_URL names."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    setting(REDIS_URL=redis_server.url)
    return redis_server.url


# ---- the clock -----------------------------------------------------------------------------------------------


class Clock:
    """Time that stands still until it is told to move."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def forward(self, **lengths: float) -> datetime:
        """`clock.forward(days=1, minutes=2)`; the new moment."""
        self._traveller.shift(timedelta(**lengths))
        return self.now

    def set(self, moment: datetime) -> datetime:
        self._traveller.move_to(moment, tick=False)
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A frozen clock: Tuesday 17 November 2026, 08:00 UTC, in 2026-W47."""
    with time_machine.travel(START, tick=False) as traveller:
        yield Clock(traveller)


# ---- the cast ------------------------------------------------------------------------------------------------

CAST = types.SimpleNamespace(
    alice="alice@reader.example",  # reads, votes and stays
    bob="bob@reader.example",  # changes his mind
    charlie="charlie@reader.example",  # is not to be mailed
    dana="dana@newsroom.example",  # edits
)

REVIEWERS = {
    "The Builder": "What can I make with it on Monday?",
    "The Skeptic": "What breaks first?",
}

TOOLS = {
    "quillmate": ("Quillmate", "Writing", [("ship", "It drafts, I decide."), ("ship", "It cited its sources.")]),
    "inkwell": ("Inkwell", "Writing", [("ship", "Fast, and blunt."), ("skip", "It made up my aunt.")]),
    "patchbay": ("Patchbay", "Coding", []),
}


@pytest.fixture
def cast() -> types.SimpleNamespace:
    """Alice reads, Bob changes his mind, Charlie is not to be mailed, Dana edits."""
    return CAST


@pytest.fixture
def catalogue(database: str) -> types.SimpleNamespace:
    """Three tools (panel ship 100%, 50% and none) and quillmate-vs-inkwell, published a day before START."""
    return load_catalogue()


def load_catalogue(published: datetime = START - timedelta(days=1)) -> types.SimpleNamespace:
    with session.writing() as opened:
        for name, lens in REVIEWERS.items():
            catalog.put_reviewer(opened, name, lens)
        for slug, (name, category, verdicts) in TOOLS.items():
            fields = {
                "name": name,
                "category": category,
                "tagline": f"{name} in one line",
                "entry": "Free",
                "url": f"https://{slug}.example",
                "summary": f"What {name} does, in a paragraph.",
            }
            reviews = [(who, *said) for who, said in zip(REVIEWERS, verdicts, strict=False)]
            catalog.put_tool(opened, slug, fields, reviews)
        pair = ("quillmate", "inkwell")
        catalog.put_comparison(opened, "quillmate-vs-inkwell", pair, "Which one writes?", published, published)
        ids = {slug: catalog.tool_id(opened, slug) for slug in TOOLS}
    return types.SimpleNamespace(comparison="quillmate-vs-inkwell", **ids)
