"""What one letter costs the sender: user and system time of its process, the ledger's work included.

Prints JSON. `--letters N`; the database is the one that DATABASE_URL names, the server the one in MAIL_URL.
"""

import argparse
import json
import resource
import sys
import time
from datetime import UTC, datetime

from sqlalchemy import text

from db import deliveries, digests, migrations, schedule, subscribers
from db.session import is_sqlite, reading, writing
from emails.letters import mark
from worker import sender

NOW = datetime.now(UTC)
SLOT = "2026-W47"
KILOBYTES = 58


def bodies() -> tuple[str, str]:
    """A letter of 58 KB whose marks stand where a digest's do: eight vote links, two to leave, one date."""
    links = "".join(
        f'<a href="http://localhost/vote/{mark("VOTE")}?tool=tool-{at}&amp;choice=ship">Ship</a>\n' for at in range(8)
    )
    foot = f'<p>Since {mark("SINCE")}. <a href="http://localhost/unsubscribe/{mark("UNSUBSCRIBE")}">Leave</a></p>'
    filler = "<p>It flagged a caller three packages away that I had forgotten I wrote.</p>\n"
    html = "<html><body>" + links + filler * (KILOBYTES * 850 // len(filler)) + foot + "</body></html>"
    return html, f"Leave: http://localhost/unsubscribe/{mark('UNSUBSCRIBE')}\n" * 3 + "Read on the web.\n" * 300


def prepare(letters: int) -> None:
    """Subscribers and a digest on its way to them, by the product's own orders."""
    migrations.upgrade()
    html, plain = bodies()
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
            {"n": letters},
        )
        taken = subscribers.freeze(session, NOW)
        made = digests.open_slot(session, SLOT, schedule.of_digests().due(SLOT), NOW)
        digests.keep(
            session, made, [], content={}, subject="Larkspur vs Second Pair", preheader="p", html=html, text=plain,
            frozen_at=NOW, cutoff=NOW, freeze=taken.number, audience=taken.audience,
        )  # fmt: skip
    with writing() as session:
        made = digests.get(session, SLOT)
        while deliveries.address(session, made, NOW):
            pass
        session.execute(text("ANALYZE"))
        digests.begin(session, made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=4000)
    letters = parser.parse_args().letters
    prepare(letters)
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    while sender.run_slice(time.monotonic() + 600):
        pass
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    with reading() as session:
        account = deliveries.account(session, digests.get(session, SLOT))
    if account.states["sent"] != letters or not account.holds:
        sys.exit(f"only {account.states} of {letters} letters were sent")
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    told = {"letters": letters, "cpu_us": (user + system) / letters * 1e6, "user_us": user / letters * 1e6}
    print(json.dumps({**told, "per_second": letters / took, "peak_mb": after.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
