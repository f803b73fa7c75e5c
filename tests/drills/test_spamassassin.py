"""Debian's SpamAssassin judges every letter as a mail server would: with the DNS, and straight from our mail server."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from emails import links
from emails.letters import Letter
from emails.messages.dkim import Signer
from emails.messages.dkim_keys import DkimKey
from emails.messages.message import EncodedLetter, Recipient, date_header
from emails.messages.sender_identity import SenderIdentity
from tests.drills.played_dns import played
from tests.emails.people import ALICE
from tests.emails.samples import samples

SPAMASSASSIN = shutil.which("spamassassin")
pytestmark = [
    pytest.mark.outside,
    pytest.mark.once,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not SPAMASSASSIN, reason="spamassassin is not installed (on Debian: apt-get install spamassassin)"
    ),
]

LETTERS = dict(samples())
KEYS = (b"the key of the house",)
IDENTITY = SenderIdentity(
    "Weekly AI Tool Verdicts", "digest@verdicts.example", "https://verdicts.example", "bounce.verdicts.example"
)
SENT = datetime.now(UTC)
BETWEEN = b"From MAILER-DAEMON Tue Nov 17 08:30:00 2026\n"
HIDDEN = 'style="display:none;max-height:0px;overflow:hidden;font-size:15px;line-height:1px;"'
HOST, ADDRESS, READER = "mail.verdicts.example", "93.184.216.41", "alice@reader.example"


class Judged(NamedTuple):
    """SpamAssassin's score, and the points of each rule that a message met."""

    score: float
    rules: Mapping[str, float]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer("verdicts.example", [DkimKey("w47", rsa.generate_private_key(65537, 2048))])


@pytest.fixture(scope="module")
def judge(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Judge"]:
    address = ".".join(reversed(ADDRESS.split(".")))
    [key] = signer.keys
    record = key.record
    text = " ".join(f'"{record[at : at + 200]}"' for at in range(0, len(record), 200))
    records = {
        ("verdicts.example", "A"): ADDRESS, ("verdicts.example", "MX"): f"10 {HOST}.",
        ("verdicts.example", "NS"): "ns.verdicts.example.", (HOST, "A"): ADDRESS,
        (f"{address}.in-addr.arpa", "PTR"): f"{HOST}.", ("verdicts.example", "TXT"): '"v=spf1 mx -all"',
        ("bounce.verdicts.example", "TXT"): f'"v=spf1 ip4:{ADDRESS} -all"',
        ("bounce.verdicts.example", "MX"): f"10 {HOST}.", ("bounce.verdicts.example", "A"): ADDRESS,
        ("_dmarc.verdicts.example", "TXT"): '"v=DMARC1; p=reject"', (signer.record_name(key), "TXT"): text,
    }  # fmt: skip
    with played(records) as port:
        yield Judge(tmp_path_factory.mktemp("spamassassin"), port)


class Judge:
    """SpamAssassin with the rules and plugins that Debian gives it, and this DNS."""

    def __init__(self, folder: Path, dns_port: int) -> None:
        self.folder = folder
        for plugins in Path("/etc/spamassassin").glob("*.pre"):
            if plugins.name != "sa-compile.pre":
                shutil.copy(plugins, folder)
        (folder / "local.cf").write_text(
            f"dns_server 127.0.0.1:{dns_port}\ndns_available yes\nuse_bayes 0\nuse_auto_welcomelist 0\n"
            "internal_networks 192.0.2.1\ntrusted_networks 192.0.2.1\n"
            "add_header all Rules _SCORE_ _TESTSSCORES(,)_\nfold_headers 0\n"
        )

    def __call__(self, *messages: bytes) -> list[Judged]:
        """What it says of each message, by their Message-IDs."""
        box = b"".join(BETWEEN + each.replace(b"\r\n", b"\n") + b"\n" for each in messages)
        ours = f"--siteconfigpath={self.folder}", f"--prefs-file={self.folder}/local.cf"
        command = [str(SPAMASSASSIN), "--mbox", *ours]
        home = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, input=box, capture_output=True, timeout=250, env=home)
        found = {}
        for said in re.split(rb"^From MAILER-DAEMON .*\n", done.stdout, flags=re.MULTILINE)[1:]:
            message = message_from_bytes(said)
            score, _, rules = message["X-Spam-Rules"].partition(" ")
            each = dict(rule.split("=") for rule in rules.split(","))
            found[message["Message-ID"]] = Judged(float(score), {rule: float(points) for rule, points in each.items()})
        assert len(found) == len(messages), done.stderr.decode()
        return [found[message_from_bytes(each)["Message-ID"]] for each in messages]


def handed_over(letter: Letter, signer: Signer, delivery: int = 70, sent: datetime = SENT) -> bytes:
    """The letter's message for Alice, with the lines that her mail server writes above it."""
    sender = IDENTITY.verp(links.sign(KEYS, "bounce", 7, delivery))
    message_id = IDENTITY.message_id(links.message_id(KEYS, delivery, letter.kind))
    to = Recipient(READER, message_id, sender, {name: ALICE[name] for name in letter.marks})
    above = (
        f"Return-Path: <{sender}>\r\nReceived: from {HOST} ({HOST} [{ADDRESS}])\r\n\tby mx.reader.example (Postfix)"
        f" with ESMTPS id 4Xk2Yw0Z1tz\r\n\tfor <{READER}>; {format_datetime(SENT)}\r\n"
    )
    return above.encode() + EncodedLetter(letter, IDENTITY, signer).message(to, date_header(sent))


def as_it_was(letter: Letter) -> Letter:
    """The letter with its filler hidden, as releases before 0.6.0 had it."""
    shown = 'style="font-size:15px;line-height:1px;"'
    assert shown in letter.html
    return in_ascii(replace(letter, html=letter.html.replace(shown, HIDDEN)))


def in_ascii(letter: Letter) -> Letter:
    """The letter without typographic quotes: some rules pass over a letter with other characters than ASCII."""
    html, text = letter.html.encode("ascii", "xmlcharrefreplace"), letter.text.encode("ascii", "ignore")
    return replace(letter, html=html.decode(), text=text.decode())


def test_no_letter_scores_above_nought(judge: Judge, signer: Signer) -> None:
    every = LETTERS | {f"{name}, in ASCII": in_ascii(letter) for name, letter in LETTERS.items()}
    messages = [handed_over(letter, signer, number) for number, letter in enumerate(every.values(), 1)]
    for name, judged in zip(every, judge(*messages), strict=True):
        assert {"SPF_PASS", "DKIM_VALID_AU"} <= judged.rules.keys(), "it asked the DNS"
        assert judged.score <= 0, (name, judged.rules)


def test_it_finds_what_was_wrong_once(judge: Judge, signer: Signer) -> None:
    """A hidden block in mail that comes directly from its sender, and a letter that was deferred for eight hours and
    kept its Date: both cost points in the scores of servers that ask the DNS, and only there."""
    confirm = LETTERS["confirm"]
    hidden = handed_over(as_it_was(confirm), signer, 1)
    late = handed_over(confirm, signer, 2, SENT - timedelta(hours=8))
    hidden, late = judge(hidden, late)
    assert hidden.rules["STY_INVIS_DIRECT"] >= 1
    assert hidden.score > 0
    assert late.rules["DATE_IN_PAST_06_12"] >= 0.8
    assert late.score > 0
