"""What one letter costs the sender: user and system time of all its threads.

Prints JSON. The database is the one that DATABASE_URL names, the server the one in MAIL_URL; SEND_WINDOW and
SEND_CONNECTIONS count as for any sender. With --alone nothing is claimed or settled.
"""

import argparse
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from db import migrations
from db.deliveries import accounts, addressing
from db.deliveries.claiming.admission import ClaimedLetter
from db.digests import digests, schedule
from db.digests.catalog import Tool
from db.session import Session, is_sqlite, reading, writing
from db.settings import settings
from db.subscribers import audiences
from emails.letter import OwnVote
from emails.letters import Letter, mark
from emails.messages.dkim_keys import PrivateKey
from emails.messages.encoded_bodies import EncodedBodies
from emails.transports import Outgoing, open_transport
from worker.letters import composing
from worker.sending import send_slice

NOW = datetime.now(UTC)
SLOT = "2026-W47"
KILOBYTES = 58
TOOLS = 8
KEYS: dict[str, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": Ed25519PrivateKey.generate,
}


def bodies(kilobytes: int = KILOBYTES) -> tuple[str, str]:
    """A letter of about this size whose marks stand where a digest's do: eight vote links, two to leave, one date."""
    links = "".join(
        f'<a href="http://localhost/vote/{mark("VOTE")}?tool=tool-{at}&amp;choice=ship">Ship</a>\n' for at in range(8)
    )
    foot = f'<p>Since {mark("SINCE")}. <a href="http://localhost/unsubscribe/{mark("UNSUBSCRIBE")}">Leave</a></p>'
    filler = "<p>It flagged a caller three packages away that I had forgotten I wrote.</p>\n"
    html = "<html><body>" + links + filler * (kilobytes * 850 // len(filler)) + foot + "</body></html>"
    plain = f"Leave: http://localhost/unsubscribe/{mark('UNSUBSCRIBE')}\n" * 3
    return html, plain + "Read on the web.\n" * (kilobytes * 300 // KILOBYTES)


def frozen(kilobytes: int = KILOBYTES) -> Letter:
    """The same as a letter that shows each reader their own votes on TOOLS tools, in both bodies."""
    html, plain = bodies(kilobytes)
    own = [OwnVote(at, "You said ship.", "You said skip.", "") for at in range(TOOLS)]
    shown = "".join(f"<p>{each}</p>\n" for each in own)
    told = "".join(f"{each}\n" for each in own)
    return Letter(
        "digest", "Larkspur vs Second Pair", "p", html.replace("<body>", "<body>" + shown), told + plain, SLOT
    )


def subscribe(readers: int) -> None:
    """So many confirmed subscribers, put in by SQL."""
    migrations.upgrade()
    with writing() as session:
        series = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n)"
            if is_sqlite(session)
            else "WITH n(i) AS (SELECT generate_series(1, :n))"
        )
        session.execute(
            text(
                "INSERT INTO subscribers (address, address_key, state, created_at, confirmed_at, joined) "
                + series
                + " SELECT 'reader-' || i || '@reader.example', 'reader-' || i || '@reader.example', 'active',"
                " CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 0 FROM n"
            ),
            {"n": readers},
        )
        _vote(session, series, readers)
        session.execute(text("ANALYZE"))


def _vote(session: Session, series: str, readers: int) -> None:
    """TOOLS tools, and every third reader's vote on each."""
    fields = dict.fromkeys(("name", "category", "tagline", "entry", "url", "summary"), "")
    session.add_all(Tool(id=number, slug=f"tool-{number}", **fields) for number in range(1, TOOLS + 1))
    session.flush()
    voted = " SELECT 'subscriber:' || i, t.id, 'ship', false, CURRENT_TIMESTAMP FROM n, tools AS t WHERE i % 3 = 0"
    session.execute(text(f"INSERT INTO votes (voter, tool_id, choice, dirty, cast_at) {series}{voted}"), {"n": readers})


def freeze(kilobytes: int = KILOBYTES) -> None:
    """A digest of this size, frozen for all of them and not yet addressed."""
    letter = frozen(kilobytes)
    kept, letter = EncodedBodies.of(letter).kept(), letter.chosen()
    with writing() as session:
        taken = audiences.count_audience(session, NOW)
        made = digests.open_slot(session, SLOT, schedule.of_digests().due(SLOT), NOW)
        digests.freeze(
            session, made, [], content={}, subject=letter.subject, preheader="p", html=letter.html, text=letter.text,
            encoded=kept, tool_ids=list(range(1, TOOLS + 1)),
            frozen_at=NOW, cutoff=NOW, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip


def prepare(readers: int, kilobytes: int = KILOBYTES) -> None:
    """Subscribers and a digest on its way to them, by the product's own orders."""
    subscribe(readers)
    freeze(kilobytes)
    with writing() as session:
        made = digests.get(session, SLOT)
        while addressing.address(session, made, NOW):
            pass
        session.execute(text("ANALYZE"))
        digests.begin(session, made)


def sign_with(kind: str, folder: Path) -> None:
    """From now on letters of this process, and of those that it starts, are signed with a new key of this kind."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder.resolve() / f"{kind}.pem"
    file.write_bytes(KEYS[kind]().private_bytes(*form))
    os.environ |= {"DKIM_DOMAIN": "verdicts.example", "DKIM_SELECTOR": "w47", "DKIM_KEY_FILE": str(file)}
    settings.cache_clear()


def composer(kilobytes: int = KILOBYTES) -> composing.Composer:
    letter = frozen(kilobytes)
    return composing._composer(letter, settings(), EncodedBodies.of(letter).kept())


def taken(number: int) -> ClaimedLetter:
    """One letter, as a claim would give it."""
    person, address = f"subscriber:{number}", f"reader-{number}@reader.example"
    own_votes = "" if number % 3 else "s" * TOOLS
    return ClaimedLetter(number, "digest", 1, person, address, 0, NOW, NOW, (), NOW, NOW, own_votes)


def with_ledger(number: int) -> None:
    while send_slice.run_slice(time.monotonic() + 600):
        pass
    with reading() as session:
        account = accounts.account(session, digests.get(session, SLOT))
    if account.states["sent"] != number or not account.holds:
        sys.exit(f"only {account.states} of {number} letters were sent")


def alone(number: int) -> None:
    """Compose, sign and hand over, on SEND_CONNECTIONS connections with a thread each, and keep no account."""
    made, connections = composer(), settings().send_connections

    def work(first: int) -> None:
        door, ready = open_transport(settings().mail_url), dict[int, Outgoing]()

        def letter(each: int) -> Outgoing | None:
            if each <= number and each not in ready:
                ready[each] = made.write(taken(each))
            return ready.get(each)

        for each in range(first, number + 1, connections):
            this, after, later = letter(each), each + connections, each + 2 * connections
            outcome = door.send(this, lambda after=after: letter(after), lambda later=later: letter(later))
            if outcome.kind != "sent":
                sys.exit(f"not sent: {outcome}")
            del ready[each]

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(1, connections + 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=4000)
    parser.add_argument("--sign", choices=("none", *KEYS), default="none")
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("MAIL_FROM", "Weekly AI Tool Verdicts <digest@verdicts.example>")
    if given.sign != "none":
        sign_with(given.sign, Path.cwd())
    if not given.alone:
        prepare(given.letters)
    gc.collect()
    gc.freeze()  # as the worker does before it forks
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    (alone if given.alone else with_ledger)(given.letters)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    told = {
        "letters": given.letters,
        "cpu_us": (user + system) / given.letters * 1e6,
        "user_us": user / given.letters * 1e6,
        "per_second": given.letters / took,
        "peak_mb": after.ru_maxrss / 1024,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
