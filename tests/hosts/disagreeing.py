"""Cases of hosts that disagree with the others: by their key, and by their clock."""

from collections.abc import Iterator
from pathlib import Path

from db import moments
from db.session import writing
from db.subscribers import suppressions
from tests.crash.processes import until
from tests.hosts.row import Row
from tests.hosts.site import Site

SUPPRESSED = 30
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select((), (), (), seconds)\n"
"""libfaketime takes the moment to which Python's own sleep goes on, by the monotonic clock, for one of the date."""


def foreign_key(site: Site, letters: int) -> Iterator[Row]:
    """The third host has another SECRET_KEY, under which it does not find who is suppressed."""
    three = site.hosts[2]
    row = Row(5, "third host with a foreign key")
    three.kill()
    for host in site.hosts[:2]:
        host.kill("sender")
    site.people(letters)
    before = {name: three.log(name).stat().st_size for name in three.lines}
    gone = [f"reader-{each}@reader.example" for each in range(SUPPRESSED)]
    with site.sending(row, letters, sick=(three,), withheld=gone):
        until(lambda: site.digest().state == "sending", "all letters addressed", 60)
        with writing() as session:
            for address in gone:
                suppressions.suppress(session, address, "complaint", moments.now())
        three.start(SECRET_KEY="a key from another site's vault")
        until(lambda: three.ended("sender") or site.mail.letters(), "its end, or its first letter", 60)
        for host in site.hosts[:2]:
            host.start("sender")
        until(site.mail.letters, "the healthy hosts' first letter", 60)
        row.hurt()
    mailed = {to for to, _ in site.mail.letters()} & set(gone)
    site.database.ask("DELETE FROM suppressions")
    said = "".join(three.log(name).read_text(errors="replace")[before[name] :] for name in three.lines)
    refuses = [name for name in three.lines if three.ended(name)]
    row.note = f"{len(mailed)} of {SUPPRESSED} suppressed were mailed; refused to run: {', '.join(refuses) or 'none'}"
    row.ask(not mailed, f"{len(mailed)} suppressed readers were mailed")
    row.ask("sender" in refuses, "a sender with a foreign key runs")
    row.ask("SECRET_KEY" in said, "its log does not name SECRET_KEY")
    three.kill()
    yield row


def skewed_clocks(site: Site, letters: int) -> Iterator[Row]:
    """One host's clock, then all hosts' clocks, are 90 s ahead, then 90 s behind."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        yield Row(6, "left out: libfaketime is not installed")
        return
    (site.folder / "clock").mkdir(exist_ok=True)
    (site.folder / "clock" / "sitecustomize.py").write_text(_SLEEP)
    told = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(site.folder / "clock")}
    for which, hosts in (("one host", site.hosts[2:]), ("all hosts", site.hosts)):
        for skew in ("+90", "-90"):
            row = Row(6, f"clock of {which} {skew} s")
            for host in hosts:
                host.restart(LD_PRELOAD=str(library), FAKETIME=f"{skew}s", **told)
            until(site.all_answer, "the web of all hosts", 90)
            site.wait_for_senders(len(site.hosts))
            with site.sending(row, letters):
                row.hurt()
            named = site.doctor_says(*(host.name for host in hosts))
            row.note = "doctor names " + (", ".join(named) or "nobody")
            row.ask(len(named) == len(hosts), "doctor does not name the host whose clock is off")
            yield row
            for host in hosts:
                host.kill()
