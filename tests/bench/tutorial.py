"""The usual tutorial's newsletter, done honestly: a Celery task a recipient, and each task does everything.

A Jinja template compiled once, an EmailMessage, a signature by dkimpy, a new connection each; prefork with two
processes. It keeps no account of anything. It is started by tests/bench/whole.py.
"""

import os
import smtplib
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import cache
from pathlib import Path

import dkim  # type: ignore[import-untyped]
import redis
from celery import Celery
from celery.signals import task_success
from jinja2 import Environment, Template

from emails.letter import MARK
from tests.bench.sender import bodies

app = Celery("tutorial", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False


@cache
def templates() -> tuple[Template, Template]:
    """Both bodies of the same 58 KB as the product's digest, with variables where its marks stand."""
    compiler = Environment(autoescape=True)
    html, plain = (MARK.sub(r"{{ \1 }}", body) for body in bodies())
    return compiler.from_string(html), compiler.from_string(plain)


@cache
def key() -> bytes:
    return Path(os.environ["DKIM_KEY_FILE"]).read_bytes()


@app.task
def send(number: int) -> None:
    """One recipient's digest."""
    values = dict.fromkeys(("VOTE", "UNSUBSCRIBE", "SINCE"), "x" * 40)
    html, plain = templates()
    message = EmailMessage()
    message["Subject"] = "Larkspur vs Second Pair"
    message["From"] = "Weekly AI Tool Verdicts <digest@verdicts.example>"
    message["To"] = f"reader-{number}@reader.example"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="verdicts.example")
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(plain.render(values))
    message.add_alternative(html.render(values), subtype="html")
    raw = message.as_bytes().replace(b"\n", b"\r\n")
    signature = dkim.sign(raw, b"w47", b"verdicts.example", key(), canonicalize=(b"relaxed", b"simple"))
    with smtplib.SMTP("127.0.0.1", int(os.environ["SINK_PORT"])) as connection:
        connection.sendmail("digest@verdicts.example", [f"reader-{number}@reader.example"], signature + raw)


@cache
def counter() -> "redis.Redis":
    return redis.Redis.from_url(os.environ["REDIS_URL"])


@task_success.connect
def count(**_: object) -> None:
    """So that the bench knows when all is done."""
    counter().incr("sent")
