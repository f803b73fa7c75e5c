"""`verdicts doctor`: checks everything that a send depends on, and says what to fix."""

import contextlib
import ipaddress
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import redis

from db import guard, moments, schema
from db.engine import missing_file
from db.errors import SQLAlchemyError
from db.monitoring import runs_with, visitors
from db.session import reading
from db.setting_errors import BadSettings
from db.settings import Settings, settings
from emails.dns import dns_checks
from emails.messages import dkim
from emails.messages.dkim_keys import BadKey
from emails.messages.headers import Unwritable
from emails.messages.sender_identity import SenderIdentity
from emails.transports import BadMailUrl, transport_name, transport_of
from web.cli import as_json, json_option
from web.cli.doctor import clocks, dns, inbox, keys, outside, public, sessions
from web.cli.queues import paused_in_words
from worker import redis_client
from worker.processes import agreement, clock_rules
from worker.sending import transport_kinds


class Finding(NamedTuple):
    """The result of one check: `well` is true, None (a warning) or false; `told` is the sentence to print."""

    what: str
    well: bool | None
    told: str


@click.command()
@json_option
def doctor(json: bool) -> None:
    """Check settings, database, Redis, mail server, DKIM, DNS and clock. Exit code 1 when something must be fixed."""
    rows = list(_look())
    if json:
        as_json([{"what": each.what, "well": each.well, "told": each.told} for each in rows])
    else:
        for each in rows:
            click.echo(f"{'!' if each.well is None else '✓' if each.well else '✕'} {each.what}: {each.told}")
    sys.exit(1 if any(each.well is False for each in rows) else 0)


def _look() -> Iterator[Finding]:
    try:
        config = settings()
        missing = missing_file() is not None
        if not missing and not config.would_make_a_key:
            config.keys  # noqa: B018  raises BadSettings where it has to be given
    except BadSettings as error:
        yield Finding("settings", False, str(error))
        return
    yield from _settings(config)
    silent = False
    for what, look in _looks(config, missing=missing):
        if silent and look is _clock:
            yield Finding("clock", False, "cannot be compared with the database's, which does not answer")
            continue
        try:
            yield from look(config)
        except (SQLAlchemyError, OSError, BadSettings, BadMailUrl, Unwritable, redis.RedisError, BadKey) as error:
            silent |= look is _database
            yield Finding(what, False, next(iter(str(error).splitlines()), type(error).__name__))
        except Exception as error:  # an error of a library: its message might hold a password
            yield Finding(what, False, f"cannot be looked at: {type(error).__name__}")
    yield from _records(config)
    if not missing:
        yield from (Finding("inbox", *each) for each in inbox.inbox(config))
        yield from (Finding("public address", *each) for each in public.way(config))


def _looks(config: Settings, *, missing: bool) -> list[tuple[str, Callable[[Settings], Iterator[Finding]]]]:
    """What is looked at, each until its first error."""
    looks = {"database": _database, "redis": _redis, "mail server": _mail, "dkim": _dkim, "clock": _clock}
    if missing:  # in a wrong folder, the doctor makes neither a key nor a database nor an outbox
        makes_none = (_database, _redis, _dkim) if config.outbox else (_database, _redis, _mail, _dkim)
        looks = {what: look for what, look in looks.items() if look in makes_none}
    return list(looks.items())


def _settings(config: Settings) -> Iterator[Finding]:
    yield Finding("settings", True, "every variable can be used")
    if not config.is_local and config.base_url.startswith("http:"):
        yield Finding("settings", None, "BASE_URL is http: mailed links travel in the clear; use https")
    if not ipaddress.ip_address(config.web_host).is_loopback and not config.trusted_proxies:
        told = f"WEB_HOST is {config.web_host}, so the network reaches the site, but TRUSTED_PROXIES is 0"
        why = "without a proxy nothing ends TLS, and behind one all visitors would count as one"
        yield Finding("settings", None, f"{told}: {why}")
    if config.outbox is None and not config.mail_postal_address:
        yield Finding("settings", None, "MAIL_POSTAL_ADDRESS is empty; many countries ask for one in every letter")


def _records(config: Settings) -> Iterator[Finding]:
    """What the DNS holds; a key or an address that cannot be used was told before."""
    with contextlib.suppress(BadKey, BadMailUrl, Unwritable):
        yield from (Finding("dns", *each) for each in dns.records(config))


def _database(config: Settings) -> Iterator[Finding]:
    kind, missing = config.database_url.partition(":")[0], missing_file()
    if not missing:
        sessions.wait_for_answer()
    found = schema.standing()
    if not found.may_run:
        yield Finding("database", False, found.told if found.missing else f"{kind} answers. {found.told}")
        return
    yield Finding("database", True, f"{kind} answers and is {found.told}")
    if not missing:
        yield from _rows(config)


def _rows(config: Settings) -> Iterator[Finding]:
    """What the rows of a database tell that this release can read."""
    yield from (Finding("keys", *each) for each in keys.keys(config))
    yield from _guard()
    yield from (Finding("queue", None, sentence) for sentence in paused_in_words())
    yield from _visitors(config)
    yield from _schedule()
    yield from _transports()
    yield from (Finding("clock", *each) for each in clocks.others())
    yield from (Finding("outside", *each) for each in outside.line())
    yield from (Finding("sessions", *each) for each in sessions.numbers(config))


def _guard() -> Iterator[Finding]:
    with reading() as session:
        found = guard.standing(session)
    if found:
        yield Finding("copy", False, found.told)
    left = Path(Settings.model_fields["database_url"].default.removeprefix("sqlite:///"))
    if left.exists() and not settings().database_url.startswith("sqlite"):
        told = f"{left} is still there, though the site has moved: it keeps whoever is erased from now on"
        yield Finding("copy", None, f"{told}. Delete it once you no longer need it")


def _visitors(config: Settings) -> Iterator[Finding]:
    with reading() as session:
        address = visitors.hidden_behind(session, config, moments.now())
    if address:
        yield Finding("visitors", None, visitors.advice(address))


def _schedule() -> Iterator[Finding]:
    with reading() as session:
        quarrels = clock_rules.disagreement(session, moments.now())
        others = clock_rules.differences(session, moments.now())
    yield from (Finding("schedule", False, sentence) for sentence in quarrels)
    yield from (Finding("schedule", None, sentence) for sentence in others)


def _transports() -> Iterator[Finding]:
    with reading() as session:
        sentences = transport_kinds.differences(session, moments.now())
        differing = agreement.all_differences(session, moments.now())
        disagreements = agreement.disagreements(session, moments.now())
    yield from (Finding("settings", None, sentence) for sentence in differing)
    yield from (Finding("settings", False, f"processes disagree: {each.in_words}") for each in disagreements)
    yield from (Finding("senders", False, sentence) for sentence in sentences)


def _redis(config: Settings) -> Iterator[Finding]:
    with redis_client.connect(config, 3) as client:
        client.ping()
    yield Finding("redis", True, "answers")


def _mail(config: Settings) -> Iterator[Finding]:
    yield _server(config)
    for told in dns_checks.warnings(config):
        yield Finding("letters", None if config.outbox is None else True, told)


def _server(config: Settings) -> Finding:
    """Opens a connection of its own; `verdicts digest show` prints what the server told the senders."""
    SenderIdentity.of(config)
    transport = transport_of(config)
    refusal = transport.connect()
    transport.close()
    name = transport_name(config.mail_url)
    if refusal is not None:
        return Finding("mail server", False, f"{name}: {refusal.reply} (at {refusal.stage})")
    if barred := transport_kinds.into_files_of_a_public_site("A sender with these settings", runs_with.of(config)):
        return Finding("mail server", False, barred)
    return Finding("mail server", True, f"{name} is ready")


def _dkim(config: Settings) -> Iterator[Finding]:
    yield _signatures(config)
    for file in config.dkim_key_files:
        if file.stat().st_mode & stat.S_IROTH:
            yield Finding("dkim", None, f"every user of this machine can read {file}: close it with chmod 600 {file}")


def _signatures(config: Settings) -> Finding:
    signer = dkim.signer_of(config)
    if signer is None:
        return Finding("dkim", True if config.outbox else None, "letters are not signed (DKIM_KEY_FILE is not set)")
    told = f"signs as {' and '.join(map(signer.record_name, signer.keys))}"
    if not signer.has_rsa:
        return Finding("dkim", None, f"{told} with ed25519 alone, which many receivers take for no signature: {_BOTH}")
    return Finding("dkim", True, told)


_BOTH = "name an RSA key besides in DKIM_KEY_FILE, and its selector in DKIM_SELECTOR"


def _clock(config: Settings) -> Iterator[Finding]:  # noqa: ARG001
    yield Finding("clock", *clocks.own())
