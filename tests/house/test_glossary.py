"""One word, one meaning: each word of the glossary is a name in the code, and no name that was given up comes back."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs/glossary.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in GLOSSARY.splitlines()
    if line.startswith("| ") and not line.startswith("| word |")
]

GIVEN_UP = (
    "db.failures", "db.jobs.filters:Filter", "db.mending", "web.operator.mending", "db.outcomes",
    "db.deliveries.exceptions:Chosen", "worker.outcomes", "db.figures", "db.monitoring.charts:Outcome", "db.allowances",
    "db.deliveries.limits.rate_limits:Allowance", "db.relays", "db.deliveries.limits.breakers:closed_to",
    "db.deliveries.limits.breakers:all_open", "db.deliveries.limits.breakers:shut_domains", "emails.outcomes",
    "worker.hearing", "worker.sending.reply_history:Hearing", "worker.sending.reply_history:ReplyHistory.is_open",
    "worker.sender", "emails.conversation", "emails.transports.smtp_connection:Conversation", "emails.doors",
    "emails.transports:Door", "web.operator.doors", "emails.messages.message:Frame",
    "db.deliveries.claiming.claims:Taken",
    "worker.letters.composing:Composers", "emails.origin", "emails.messages.sender_identity:Origin", "emails.content",
    "worker.contents", "web.content", "web.lined", "emails.quoted", "emails.words", "web.operator.words",
    "worker.concerns", "db.monitoring.alerts:Concern", "worker.alerts.checks:LOOKS", "web.operator.costly",
    "web.operator.progress", "web.operator.own", "web.operator.chosen", "web.operator.refusals", "web.cli.choosing",
    "web.story", "web.actions.subscribers.timeline:Story", "web.actions.subscribers.timeline:Event", "web.orders",
    "db.session:Ledger", "db.driver:DriverConnection.ask", "db.driver:DriverConnection.order",
    "db.driver:DriverConnection.orders", "worker.bell:hang", "db.session:rung", "db.rules:job_wait",
    "db.rules:defer_wait", "db.rules:breaker_wait", "db.subscribers.subscribers:freeze", "web.masking",
)  # fmt: skip
"""Names with a better one today: a module, or `module:class.method`."""


def reach(name: str) -> object:
    """What stands at a dotted name: a package, a module, or something public in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name} is nowhere")


def test_the_glossary_has_rows_and_no_word_twice():
    words = [word.strip() for row in ROWS for word in row[0].split(",")]
    assert len(words) > 40
    assert len(set(words)) == len(words)
    assert all(len(row) == 4 for row in ROWS), [row for row in ROWS if len(row) != 4]


def test_each_word_is_a_name_in_the_code():
    for row in ROWS:
        names = re.findall(r"`([a-z_]+(?:\.\w+)*)`", row[2])
        assert names, row[0]
        for name in names:
            reach(name)


def test_no_name_that_was_given_up_comes_back():
    assert [name for name in GIVEN_UP if stands(name)] == []


def stands(name: str) -> bool:
    """Whether the code has this module, or `module:class.method`."""
    module, _, inside = name.partition(":")
    path = ROOT / module.replace(".", "/")
    if not inside:
        return path.with_suffix(".py").exists() or path.is_dir()
    found = importlib.import_module(module)
    *above, last = inside.split(".")
    for part in above:
        found = getattr(found, part)
    return hasattr(found, last)


def test_blueprints_have_their_standard_name():
    for path in (ROOT / "web").rglob("*.py"):
        assert not re.search(r"^rooms = Blueprint", path.read_text(), re.MULTILINE), path


def test_settings_are_bound_as_config_alone():
    for floor in ("db", "emails", "worker", "web"):
        for path in (ROOT / floor).rglob("*.py"):
            bound = re.findall(r"(\w+) = settings\(\)\n", path.read_text())
            assert set(bound) <= {"config"}, path
