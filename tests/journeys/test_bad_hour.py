"""A provider's bad hour over real SMTP: "no such user" of everybody. In the end each of them got the letter once."""

import json
import re
from collections import Counter

from click.testing import CliRunner
from sqlalchemy import text

from db.monitoring import alerts
from db.operators.operators import Operator
from db.session import reading, writing
from tests.emails.scripted_smtp import ScriptedServer
from tests.transports import SLOT, digest, run, state, states
from web.cli import main
from worker.alerts.alerts import watch
from worker.sending import mail_connections, send_slice


class Provider(ScriptedServer):
    """A mail server that does not know the addresses with these endings."""

    unknown: tuple[str, ...] = ()

    def _said(self, step: str) -> str:
        to = self.heard[-1].partition("<")[2].partition(">")[0] if self.heard else ""
        if step == "RCPT" and self.unknown and to.endswith(self.unknown):
            return f"550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table"
        return super()._said(step)

    def took(self) -> Counter[str]:
        """How many letters each recipient got."""
        found = (re.search(rb"^To: .*?([^\s<>]+@[^\s<>]+)", letter, re.MULTILINE) for letter in self.taken)
        return Counter(to[1].decode() for to in found if to)


def verdicts(*args: str) -> str:
    ran = CliRunner().invoke(main, args)
    assert ran.exit_code == 0, ran.output
    return ran.output


def refused(*args: str) -> str:
    ran = CliRunner().invoke(main, args)
    assert ran.exit_code != 0
    return ran.output


def titles() -> set[str]:
    watch()
    with reading() as session:
        return {alert.title for alert in alerts.standing(session)}


def start(clock, setting, monkeypatch, port: int, count: int = 100) -> list[str]:
    """Two readers of five at big.example, the others elsewhere, and a digest on its way over this server."""
    setting(MAIL_URL=f"smtp://127.0.0.1:{port}", MAIL_FROM="Verdicts <digest@verdicts.example>")
    for holder, kept in ((mail_connections, "_kept"), (send_slice, "_histories"), (send_slice, "_paces")):
        monkeypatch.setattr(holder, kept, {})
    digest(clock, count)
    people = [f"reader-{at}@{'big' if at % 5 < 2 else f'home-{at}'}.example" for at in range(count)]
    with writing() as session:
        session.add(Operator(address="olga@newsroom.example", address_key="olga@newsroom.example", role="operator",
                             created_at=clock.now))  # fmt: skip
        for number, address in enumerate(people, 1):
            session.execute(text("UPDATE subscribers SET address = :it, address_key = :it WHERE id = :id"),
                            {"it": address, "id": number})  # fmt: skip
    return people


def test_a_providers_bad_hour_costs_nobody_the_letter(database, clock, setting, monkeypatch):
    with Provider() as server:
        people = start(clock, setting, monkeypatch, server.port)
        server.unknown = ("@big.example",)
        run()
        assert states() == {"sent": 60, "failed": 11, "deferred": 29}
        assert "All letters to big.example are held" in titles()
        assert json.loads(verdicts("deliveries", "held", "--json"))[0]["domain"] == "big.example"
        assert "! all letters to big.example are held: 11 of the last 11" in verdicts("digest", "show", SLOT)
        assert json.loads(verdicts("subscribers", "suspected", "--json")) == [
            {"digest": SLOT, "domain": "big.example", "suspected": 11}
        ]

        clock.forward(days=3)
        server.unknown = ()
        assert "--reason" in refused("deliveries", "release", "big.example")
        released = verdicts("deliveries", "release", "big.example", "--reason", "their bad hour is over")
        assert released == "big.example is released; 29 letters are queued again.\n"
        run()
        assert states() == {"sent": 89, "failed": 11}
        assert f"Suppressions of {SLOT} wait for a decision: 11" in titles()

        assert "11 suppressions are chosen" in verdicts("subscribers", "suspected", "--lift", "--dry-run")
        assert "0 suppressions are lifted" in verdicts("subscribers", "suspected", "--lift", "--domain", "g.example")
        lifted = verdicts("subscribers", "suspected", "--lift", "--digest", SLOT, "--note", "bad hour")
        assert lifted.startswith("11 suppressions are lifted.")
        assert f"verdicts deliveries retry {SLOT} --state failed" in lifted
        assert "11 letters" in verdicts("deliveries", "retry", SLOT, "--state", "failed")
        run()
        assert states() == {"sent": 100}
        assert state() == "finished"
        assert not any("decision" in title or "held" in title for title in titles())
        took = server.took()
        assert all(took[each] == 1 for each in people)
        assert "suspected.lift" in verdicts("audit", "list", "--json")


def test_an_old_list_stops_the_digest_until_somebody_says_why_it_goes_on(database, clock, setting, monkeypatch):
    with Provider() as server:
        start(clock, setting, monkeypatch, server.port, 180)
        with writing() as session:
            session.execute(text("UPDATE subscribers SET address = replace(address, 'big', 'home-' || id),"
                                 " address_key = replace(address_key, 'big', 'home-' || id)"))  # fmt: skip
        server.unknown = ("2.example",)  # some of the domains with one reader each
        run()
        assert state() == "paused"
        assert f"Digest {SLOT} stopped itself" in titles()
        assert "stopped: " in verdicts("digest", "show", SLOT)
        assert f"verdicts digest resume {SLOT} --reason WHY" in refused("digest", "resume", SLOT)
        before = server.took()
        clock.forward(minutes=5)
        verdicts("digest", "resume", SLOT, "--reason", "the list is old, I know")
        run()
        assert state() == "finished"
        assert states()["sent"] + states()["failed"] == 180
        assert max(server.took().values()) == 1
        assert server.took() > before
        verdicts("subscribers", "suspected", "--confirm", "--note", "an old list")
        assert verdicts("subscribers", "suspected") == "No suppression is suspected.\n"
        assert titles() == set()
