"""Cases of servers that restart, vanish, or have few connections to give."""

import http.client
import time
from collections.abc import Iterator

from tests.crash.processes import until
from tests.crash.scene import WINDOW
from tests.hosts.host import PORT, Host
from tests.hosts.row import Row
from tests.hosts.site import Site

AWAY = 30.0
READY_WITHIN = 5.0


def postgresql_restarts(site: Site, letters: int) -> Iterator[Row]:
    for mode in ("fast", "immediate"):
        row = Row(7, f"PostgreSQL stopped ({mode}), back after 3 s")
        with site.sending(row, letters):
            site.taken(0.2)
            site.database.stop(mode)
            time.sleep(3)
            site.database.start()
            row.hurt()
            supervised(site, until_letter_after=row.since)
        yield row
        site.tend()


def supervised(site: Site, until_letter_after: float) -> None:
    """Start again what ends by itself, until the next letter comes."""

    def next_letter() -> bool:
        for host in site.hosts:
            host.supervise()
        return any(when > until_letter_after for _, when in site.mail.by_host())

    until(next_letter, "the next letter", 60)


def servers_vanish(site: Site, letters: int) -> Iterator[Row]:
    three = site.hosts[2]
    row = Row(8, f"PostgreSQL vanishes for one host, {AWAY:.0f} s")
    with site.sending(row, letters, sick=(three,), unknown=WINDOW * 2):
        site.taken(0.1)
        three.node.lose(site.database.node)
        row.hurt()
        time.sleep(2)
        probe(three, row)
        time.sleep(max(0.0, AWAY - (time.time() - row.since)))
        three.node.find(site.database.node)
    yield row
    site.tend()
    row = Row(8, f"PostgreSQL vanishes for all, {AWAY:.0f} s")
    with site.sending(row, letters, unknown=WINDOW * 3):
        site.taken(0.1)
        site.database.node.cut()
        gone = time.time()
        time.sleep(2)
        probe(site.hosts[0], row)
        time.sleep(max(0.0, AWAY - (time.time() - gone)))
        site.database.node.join()
        row.hurt()
    yield row
    site.tend()
    row = Row(8, f"Redis vanishes for all, {AWAY:.0f} s")
    with site.sending(row, letters):
        site.taken(0.1)
        site.redis.node.cut()
        row.hurt()
        time.sleep(AWAY)
        site.redis.node.join()
    yield row


def probe(host: Host, row: Row) -> None:
    """What a load balancer hears at a host whose database is gone."""
    ready, waited = answer(host, "/readyz")
    healthy, at_once = answer(host, "/healthz")
    row.note = f"/readyz {ready or 'nothing'} after {waited:.1f} s, /healthz {healthy or 'nothing'} after {at_once:.1f}"
    row.ask(ready == 503 and waited <= READY_WITHIN + 0.5, f"/readyz says {ready} after {waited:.1f} s")
    row.ask(healthy == 200 and at_once <= 1, f"/healthz says {healthy} after {at_once:.1f} s")


def answer(host: Host, path: str) -> tuple[int, float]:
    """The status, 0 for none, and the seconds it took."""
    began = time.monotonic()
    asked = http.client.HTTPConnection(host.node.address, PORT, timeout=15)
    try:
        asked.request("GET", path)
        return asked.getresponse().status, time.monotonic() - began
    except (OSError, http.client.HTTPException):
        return 0, time.monotonic() - began
    finally:
        asked.close()


def few_connections(site: Site, letters: int) -> Iterator[Row]:
    """PostgreSQL allows twenty connections, and two hosts want sixteen to the mail server."""
    *pair, three = site.hosts
    for host in site.hosts:
        host.kill()
    site.database.stop("fast")
    site.database.start(max_connections=20)
    row = Row(9, "20 database connections, 16 to send over two hosts")
    try:
        for host in pair:
            host.start(SEND_CONNECTIONS="16")
        with site.sending(row, letters, sick=(three,), votes=False):
            until(site.mail.letters, "the first letter", 60)
            row.hurt()
            time.sleep(3)
            counted = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'verdicts'"
            row.note = f"{site.database.ask(counted)[0][0]} sessions"
        ready, _ = answer(pair[0], "/readyz")
        row.note += f", /readyz {ready}"
    finally:
        for host in pair:
            host.kill()
        site.database.stop("fast")
        site.database.start(max_connections=200)
    yield row
