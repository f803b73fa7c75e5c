"""Access tokens: the command runs with no transaction open, and nothing but the mail server gets to see them."""

import logging
import sys
from functools import partial

from db.session import reading
from db.settings import settings
from db.tables import TABLES
from emails.transports import TimeOuts, open_transport
from tests.emails.scripted_smtp import HANG_UP, ScriptedServer
from tests.transports import digest, run, states
from worker.sending import mail_connections

ASKER = """
import sqlite3, sys
book = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
book.execute("BEGIN IMMEDIATE")  # fails if anybody writes
book.execute("ROLLBACK")
busy, *_ = book.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # busy if anybody reads an older state
with open(sys.argv[2], "a") as told:
    print("busy" if busy else "free", file=told)
print(f"sesame{len(open(sys.argv[2]).readlines())}")
"""


def test_a_token_is_asked_for_with_no_transaction_open_and_stands_in_no_log_and_no_row(
    sqlite, clock, setting, house, monkeypatch, caplog
):
    (house / "ask.py").write_text(ASKER)
    file = settings().database_url.removeprefix("sqlite:///")
    command = f"'{sys.executable}' '{house}/ask.py' '{file}' '{house}/told'"
    opened = partial(open_transport, time_outs=TimeOuts(5, 5, 5), token_command=command)
    monkeypatch.setattr(mail_connections, "transport_of", lambda config: opened(config.mail_url))
    caplog.set_level(logging.DEBUG)
    script = {
        "EHLO": "250-mail.example\n250-PIPELINING\n250 AUTH XOAUTH2",
        "AUTH": ["235 Ok", "535 5.7.8 sesame1 has run out", "235 Ok"],
        "MAIL": ["250 Ok", "250 Ok", HANG_UP, "250 Ok"],
    }
    with ScriptedServer(script) as server:
        setting(MAIL_URL=f"smtp://digest@127.0.0.1:{server.port}", MAIL_FROM="Verdicts <digest@verdicts.example>")
        digest(clock, 6)
        run()
    assert states() == {"sent": 6}
    assert len(server.letters) == 6
    assert (house / "told").read_text().split() == ["free", "free"]
    with reading() as session:
        kept = [str(row) for table in TABLES.sorted_tables for row in session.execute(table.select())]
    assert "sesame" not in caplog.text + "".join(kept)
