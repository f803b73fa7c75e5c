"""The nine cases: each yields its rows as they end, and leaves the healing of the site to `tend`."""

import signal
import time
from collections.abc import Callable, Iterator

from tests.crash.processes import until
from tests.crash.scene import WINDOW
from tests.hosts.row import Row
from tests.hosts.site import Site

ENOUGH = 0.9
"""The share of their rate that the others keep beside a refused host."""
SLOW = 0.2
"""Seconds for each letter where rates are compared, so that the wire limits them and not the processors."""
AWAY = 60.0
"""Seconds for which a host is cut off."""

Case = Callable[[Site, int], Iterator[Row]]


def two_to_one(site: Site, letters: int) -> Iterator[Row]:
    """One host alone with two connections, then two hosts with four."""
    one, two, three = site.hosts
    rates = []
    site.mail.order(do="delay", seconds=SLOW)
    for hosts, connections in (((one,), 2), ((one, two), 4)):
        for host in (two, three):
            host.end("sender")
        for host in hosts:
            host.restart("sender", SEND_CONNECTIONS=str(connections))
        site.wait_for_senders(len(hosts))
        row = Row(1, f"{len(hosts)} of 3 hosts send, {connections} connections")
        with site.sending(row, letters // 4, votes=False):
            pass
        rates.append(row.rate)
        if len(rates) == 2:
            ratio = rates[1] / rates[0] if rates[0] else 0.0
            row.note = f"{ratio:.2f} times one"
            row.ask(ratio >= 1.9, f"two hosts do {ratio:.2f} times the work of one")
        yield row


def cut_and_killed(site: Site, letters: int) -> Iterator[Row]:
    """One host is cut off silently amid a large digest and brought back, another is killed; one is left."""
    _, two, three = site.hosts
    row = Row(2, f"one host cut off for {AWAY:.0f} s, another killed")
    with site.sending(row, 10 * letters, sick=(two, three), unknown=2 * WINDOW * 2, patience=600):
        site.taken(0.15)
        three.node.cut()
        row.hurt()
        time.sleep(5)
        two.kill()
        time.sleep(AWAY - 5)
        three.node.join()
        row.note = f"{len(site.mail.letters()):,} letters when it came back"
    yield row


def refused(site: Site, letters: int) -> Iterator[Row]:
    """The third host is refused at once by PostgreSQL, the relay, or by its own wrong MAIL_URL."""
    three = site.hosts[2]
    three.end()
    site.wait_for_senders(2)
    site.mail.order(do="delay", seconds=SLOW)
    alone = Row(3, "two hosts, without the third")
    with site.sending(alone, letters // 4):
        pass
    yield alone
    relay, address = site.mail, three.node.address
    kinds: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("PostgreSQL", lambda: site.database.refuse(address), lambda: site.database.admit(address)),
        ("the relay's port", lambda: three.node.refuse(site.relay.address),
         lambda: three.node.admit(site.relay.address)),
        ("the relay's greeting", lambda: relay.order(do="turn away", unwelcome=address),
         lambda: relay.order(do="turn away", unwelcome="")),
        ("a wrong MAIL_URL", lambda: None, lambda: None),
    ]  # fmt: skip
    for what, refuse, admit in kinds:
        row = Row(3, f"third host refused by {what}")
        refuse()
        changed = {"MAIL_URL": "smtp://nowhere.example:25"} if "MAIL_URL" in what else {}
        three.restart("worker", "sender", **changed)
        time.sleep(8)  # it has started and been refused
        log = three.log("sender").stat().st_size
        with site.sending(row, letters // 4, sick=(three,)):
            row.hurt()
        kept = row.rate / alone.rate if alone.rate else 0.0
        row.note = f"{kept:.2f} of their rate, {(three.log('sender').stat().st_size - log) / 1000:.0f} kB of log"
        row.ask(kept >= ENOUGH, f"the others keep {kept:.2f} of their rate")
        three.kill()
        admit()
        yield row


_HOLDS = """
import threading, time
from sqlalchemy import text
from db.session import writing

def claim():
    while True:
        with writing() as session:
            session.execute(text("SELECT 1 FROM allowances FOR UPDATE"))
            time.sleep(HOLD)

for _ in range(12):
    threading.Thread(target=claim).start()
"""
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s::inet AND wait_event_type = 'Lock'"
    " AND query LIKE '%%FROM allowances FOR UPDATE%%'"
)
_AMID_A_CLAIM = (
    "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) WHERE a.client_addr = %s::inet"
    " AND a.state = 'idle in transaction' AND l.locktype = 'transactionid' AND l.granted"
    " AND EXISTS (SELECT FROM pg_locks AS r WHERE r.pid = a.pid AND r.relation = 'allowances'::regclass)"
)


def vanished_with_locks(site: Site, letters: int) -> Iterator[Row]:
    """A host vanishes amid its sender's claim; then with twelve connections at the lock, one of which holds it."""
    three = site.hosts[2]
    row = Row(4, "vanished amid its own claim")
    with site.sending(row, letters, sick=(three,), unknown=WINDOW * 2):
        site.taken(0.1)
        amid = stop_amid_a_claim(site)
        three.node.cut()
        row.hurt()
        row.note = "held the row of all claims" if amid else "never met amid a claim"
    three.signal("sender", signal.SIGCONT)
    three.kill()
    three.node.join()
    yield row
    site.tend()
    row = Row(4, "vanished with twelve connections at the lock")
    holder = None
    with site.sending(row, letters, sick=(three,), unknown=WINDOW * 2):
        site.taken(0.1)
        holder = three.python(_HOLDS.replace("HOLD", "600"))
        until(lambda: site.database.ask(_WAITING, three.node.address)[0][0] >= 11, "eleven that wait for one", 40)
        three.node.cut()
        row.hurt()
    if holder:
        holder.kill()
    three.kill()
    three.node.join()
    yield row


def stop_amid_a_claim(site: Site) -> bool:
    """Stop the third host's sender while it holds the row that all claims lock."""
    three = site.hosts[2]
    end = time.monotonic() + 20
    while time.monotonic() < end and not site.done():
        three.signal("sender", signal.SIGSTOP)
        if site.database.ask(_AMID_A_CLAIM, three.node.address)[0][0]:
            return True
        three.signal("sender", signal.SIGCONT)
        time.sleep(0.02)
    three.signal("sender", signal.SIGSTOP)
    return False
