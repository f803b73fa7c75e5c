"""Mails that come back after a letter to somebody, and what is on record of them."""

from base64 import b64encode

from sqlalchemy import select, text

from db import moments
from db.feedback import events
from db.feedback.events import RawEvent, Source
from db.persons import subscriber_id
from db.session import reading, writing
from db.settings import settings
from emails import links
from worker.jobs import jobs


def delivery_to(address: str) -> tuple[int, str]:
    """The last letter to this address: its number and its person."""
    with reading() as session:
        row = session.execute(
            text("SELECT d.id, d.person FROM deliveries d JOIN subscribers s ON d.person = 'subscriber:' || s.id"
                 " WHERE s.address = :address ORDER BY d.id DESC"), {"address": address},
        ).first()  # fmt: skip
    assert row, f"no letter to {address}"
    return row.id, row.person


def verp(address: str) -> str:
    """The return path's token of the last letter to this address."""
    number, person = delivery_to(address)
    return links.sign(settings().keys, "bounce", subscriber_id(person) or 0, number)


def message_id(address: str, letter: str = "digest") -> str:
    return f"<{links.message_id(settings().keys, delivery_to(address)[0], letter)}@verdicts.example>"


def leaving(address: str) -> str:
    """The unsubscribe token in the last letter to this address."""
    number, person = delivery_to(address)
    return links.sign(settings().keys, "unsubscribe", subscriber_id(person) or 0, number)


def bounce(token: str, recipient: str, reply: str = "550 5.1.1 <{}>: User unknown", action: str = "failed") -> bytes:
    """A delivery report to the return path with that token."""
    said = reply.format(recipient)
    status = said.split()[1]
    return f"""\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.reader.example>
To: digest+b-{token}@verdicts.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_cut"

--=_cut
Content-Type: text/plain

<{recipient}>: host in.reader.example said: {said} (in reply to RCPT TO command)

--=_cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.reader.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--=_cut--
""".encode()


def complaint(letter: str, kind: str = "abuse", recipient: str = "redacted", leave: str = "") -> bytes:
    """A feedback report about the letter with that Message-ID, and that List-Unsubscribe."""
    return f"""\
From: Feedback <fbl@provider.example>
To: abuse@verdicts.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="cut"

--cut
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Reporter/1
Version: 1

--cut
Content-Type: message/rfc822

From: Verdicts <digest@verdicts.example>
To: {recipient}
Subject: Which one writes?
Message-ID: {letter}
List-Unsubscribe: {leave or "<https://elsewhere.example/>"}

--cut--
""".encode()


def vacation(token: str, writer: str) -> bytes:
    return f"""\
From: <{writer}>
To: digest+b-{token}@verdicts.example
Subject: Out of office
Auto-Submitted: auto-replied (vacation)

I am away until Monday.
""".encode()


def answer(letter: str, writer: str) -> bytes:
    """A person's answer to the letter with that Message-ID."""
    return f"""\
From: <{writer}>
To: digest@verdicts.example
Subject: Re: Which one writes?
In-Reply-To: {letter}

I liked it. My old address bounced once: 550 5.1.1 user unknown.
""".encode()


def leave(token: str, writer: str) -> bytes:
    """What a mail program sends for the mailto of List-Unsubscribe."""
    return f"From: <{writer}>\nTo: digest+unsubscribe@verdicts.example\nSubject: {token}\n\n".encode()


# ---- what is on record -----------------------------------------------------------------------------------------


def hear(raw: bytes, source: Source = "inbox", key: str = "1") -> int | None:
    """Store an event and let the workers handle it."""
    with writing() as session:
        stored = events.record(session, source, key, raw, moments.now())
    work()
    return stored


def work() -> None:
    while jobs.work():
        pass


def suppressed() -> dict[str, str]:
    """The addresses of readers that are suppressed, with the reason."""
    with reading() as session:
        rows = session.execute(
            text("SELECT s.address, p.reason FROM suppressions p JOIN subscribers s ON p.subscriber_id = s.id")
        )
        return {row.address: row.reason for row in rows}


def state_of(address: str) -> str:
    with reading() as session:
        return str(session.scalar(text("SELECT state FROM subscribers WHERE address = :it"), {"it": address}))


def kept() -> list[RawEvent]:
    with reading() as session:
        return list(session.scalars(select(RawEvent).order_by(RawEvent.id)))


def in_base64(mail: bytes) -> bytes:
    """The mail as the body of another one, in base64."""
    lines = b64encode(mail).decode()
    body = "\n".join(lines[at : at + 76] for at in range(0, len(lines), 76))
    return f"Subject: Fwd\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{body}\n".encode()
