"""Whatever a mail server does on the wire, each letter's row says exactly what the server knows of it."""

import random
import re
from functools import partial

import pytest

from db.deliveries.deliveries import Delivery
from db.session import writing
from db.subscribers import subscriptions
from emails.transports import TimeOuts, open_transport
from tests.emails.moody_smtp import MoodyServer
from tests.transports import digest, rows, run, states
from worker.sending import mail_connections, send_slice

READERS, LEAVE = 40, 4
DONE = ("sent", "unknown", "failed", "skipped")


@pytest.fixture(autouse=True)
def _without_memory(monkeypatch):
    for module, kept in ((mail_connections, "_kept"), (send_slice, "_histories"), (send_slice, "_paces")):
        monkeypatch.setattr(module, kept, {})
    opened = partial(open_transport, time_outs=TimeOuts(60, 60, 60))  # no mood takes time, so none of them is met
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: opened(config.mail_url))


def send_all(clock, dice: random.Random) -> None:
    """Slices of any length, until every letter has met its fate; now and then somebody leaves."""
    leave = dice.sample(range(1, READERS + 1), LEAVE)
    for turn in range(1000):
        run(dice.choice((0.01, 0.05, 60)))
        if turn < LEAVE:
            with writing() as session:
                subscriptions.leave(session, leave[turn], "link", clock.now)
        if set(states()) <= set(DONE):
            return
        clock.forward(minutes=dice.choice((1, 10)))
    raise AssertionError(f"letters are left: {states()}")


def faults(row: Delivery, server: MoodyServer) -> list[str]:
    """What the row says that the server knows better."""
    to = f"reader-{row.person.partition(':')[2]}@reader.example"
    *before, last = server.wholes.get(to, ["never whole"])
    told = f"{to} is {row.state} ({row.reason}, {row.reply}), and was {[*before, last]}"
    possible = {
        "taken": ["sent"], "perhaps": ["sent", "unknown"], "refused": ["failed", "unknown", "skipped"],
        "never whole": ["failed", "unknown", "skipped"],
    }[last]  # fmt: skip
    found = [] if row.state in possible else [told]
    if row.state == "unknown" and last != "perhaps" and to not in server.torn:
        found.append(f"{told}: nothing is in doubt")
    if {"taken", "perhaps"} & {*before}:
        found.append(f"{told}: it was sent again")
    others = {server.speaks_of[int(number)] for number in re.findall(r"#(\d+)#", row.reply or "")} - {to, ""}
    return found + [f"{told}: this reply is {other}'s" for other in others]


@pytest.mark.parametrize("seed", range(4))
def test_each_letter_s_row_says_what_the_server_knows(seed, database, clock, setting):
    digest(clock, READERS)
    with MoodyServer(seed) as server:
        setting(
            MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_FROM="Verdicts <digest@verdicts.example>",
            SEND_WINDOW=4 + 3 * seed % 13, SEND_CONNECTIONS=1 + seed % 2,
        )  # fmt: skip
        send_all(clock, random.Random(seed))
        mail_connections.hang_up()
    found = [fault for state in DONE for row in rows(state) for fault in faults(row, server)]
    assert server.strays + found == []
    assert len(server.wholes) > READERS / 2
