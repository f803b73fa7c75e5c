"""Addresses of servers: each form works, or is refused at the start in a sentence that shows no secret."""

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import SQLAlchemyError

from db import engine, session
from db.setting_errors import BadSettings
from db.urls import broker_url
from web.app import create_app
from web.cli import main

GOOD = [
    ("REDIS_URL", "redis://:open%23sesame@127.0.0.1:6379/3"),
    ("REDIS_URL", "redis://localhost"),
    ("REDIS_URL", "rediss://user:open:sesame@redis.example:6380/"),
    ("REDIS_URL", "redis://[::1]:6379/0"),
    ("REDIS_URL", "unix:///run/redis.sock"),
    ("REDIS_URL", "unix://:sesame@/run/redis.sock?db=2"),
    ("DATABASE_URL", "sqlite:////srv/verdicts.sqlite3"),
    ("DATABASE_URL", "sqlite:///file:var/v.sqlite3?uri=true&mode=rwc"),
    ("DATABASE_URL", "postgres://u:open#se/sa?me@db.example:5432/verdicts"),
    ("DATABASE_URL", "postgres+psycopg://u@db.example/verdicts"),
    ("DATABASE_URL", "postgresql://u@db.example/verdicts?sslmode=verify-full&connect_timeout=3"),
    ("DATABASE_URL", "postgresql://postgres:@/verdicts?host=/run/postgresql"),
    ("DATABASE_URL", "postgresql:///?service=verdicts"),
    ("MAIL_URL", "smtp+starttls://user:open%40sesame@mail.example:587"),
    ("MAIL_URL", "smtp://[::1]:25/"),
    ("INBOX_URL", "imaps://user:sesame@mail.example"),
    ("INBOX_URL", "maildir:var/inbox"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_an_address_that_works_is_taken_as_it_stands(setting, name, value):
    field = {"REDIS_URL": "redis_given"}.get(name, name.lower())
    assert getattr(setting(**{name: value}), field) == value
    if name == "DATABASE_URL":
        engine._make(value).dispose()


BAD = [
    ("REDIS_URL", "redis://:open#sesame@127.0.0.1:6379/0", "write % as %25, # as %23"),
    ("REDIS_URL", "redis://:open/sesame@127.0.0.1:6379/0", "/ as %2F"),
    ("REDIS_URL", "redis://:open?sesame@127.0.0.1:6379/0", "? as %3F"),
    ("REDIS_URL", "redis://:open@sesame@127.0.0.1:6379/0", "@ as %40"),
    ("REDIS_URL", "redis://:open sesame@127.0.0.1:6379/0", "a space as %20"),
    ("REDIS_URL", "redis://:open[sesame@127.0.0.1:6379/0", "[ as %5B"),
    ("REDIS_URL", "redis://:sesame@127.0.0.1:port/0", "its port is no number from 1 to 65535"),
    ("REDIS_URL", "redis://:sesame@127.0.0.1:0/0", "its port is no number from 1 to 65535"),
    ("REDIS_URL", "redis://:sesame@127.0.0.1:99999/0", "its port is no number from 1 to 65535"),
    ("REDIS_URL", "redis://:sesame@127.0.0.1/first", "its database is no number"),
    ("REDIS_URL", "redis://:sesame@/0", "it names no host"),
    ("REDIS_URL", "redis:127.0.0.1", "two slashes are missing"),
    ("REDIS_URL", "rediss://:sesame@redis.example/0?ssl_cert_reqs=none", "always checked with rediss:"),
    ("REDIS_URL", "unix://:sesame@", "needs the path of a socket"),
    ("REDIS_URL", "unix://run/sesame.sock", "needs the path of a socket"),
    ("REDIS_URL", "unix:///run/sesame.sock?db=one", "the database's number, as ?db=0"),
    ("REDIS_URL", "memory://sesame", "it begins with none of redis:, rediss:, unix:"),
    ("DATABASE_URL", "postgresql://u:sesame@db.example:port/verdicts", "its port is no number"),
    ("DATABASE_URL", "postgresql://u:sesame@db.example:70000/verdicts", "its port is no number"),
    ("DATABASE_URL", "postgresql://u:open@sesame@db.example/verdicts", "@ as %40"),
    ("DATABASE_URL", "postgresql://u:sesame@db.example", "it names no database"),
    ("DATABASE_URL", "postgresql://u:sesame@db.example/verdicts?nonsense=1", "parameter that the driver does not know"),
    ("DATABASE_URL", "postgresql://u:sesame@db.example/v?connect_timeout=soon", "connect_timeout is no number"),
    ("DATABASE_URL", "sqlite:///var/sesame.sqlite3?foo=1", "parameter that the driver does not know"),
    ("DATABASE_URL", "sqlite:///var/sesame.sqlite3?timeout=x", "parameter that the driver does not know"),
    ("DATABASE_URL", "sqlite://var/sesame.sqlite3", "names a file and no host"),
    ("DATABASE_URL", "sqlite://", "it names no file"),
    ("DATABASE_URL", "sqlite:///:memory:", "it names no file"),
    ("DATABASE_URL", "sqlite:var/sesame.sqlite3", "it cannot be read"),
    ("DATABASE_URL", "sqlite+psycopg:///sesame", "it begins with none of sqlite:, postgresql:"),
    ("MAIL_URL", "smtp://user:open#sesame@mail.example:25", "# as %23"),
    ("MAIL_URL", "smtps://user:open/sesame@mail.example", "/ as %2F"),
    ("MAIL_URL", "smtp://user:sesame@mail.example:smtp", "its port is no number"),
    ("MAIL_URL", "smtp://user:sesame@", "it names no host"),
    ("MAIL_URL", "smtp://:sesame@mail.example", "it has a password and no user"),
    ("MAIL_URL", "smtp://user:sesame@mail.example/path", "something follows its host and port"),
    ("MAIL_URL", "smtp:sesame", "it names no host"),
    ("MAIL_URL", "maildir:", "it names no folder"),
    ("INBOX_URL", "imaps://user:open#sesame@mail.example", "# as %23"),
    ("INBOX_URL", "imaps://user:sesame@mail.example:0", "its port is no number"),
    ("INBOX_URL", "imaps://", "it names no host"),
    ("INBOX_URL", "maildir://", "it names no folder"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_an_address_that_cannot_work_is_refused_in_a_sentence_without_a_secret(setting, name, value, said):
    with pytest.raises(BadSettings) as caught:
        setting(**{name: value})
    told = str(caught.value)
    assert told.startswith(f"{name}: ")
    assert said in told
    assert ". Write " in told
    assert "sesame" not in told
    doctor = CliRunner().invoke(main, ["doctor"])
    assert doctor.exit_code == 1
    assert isinstance(doctor.exception, SystemExit)
    assert said in doctor.output
    assert "sesame" not in doctor.output


@pytest.mark.parametrize(
    ("name", "value"),
    [each for each in GOOD if each[0] == "REDIS_URL"]
    + [
        ("DATABASE_URL", "postgresql://u:sesame@127.0.0.1:1/verdicts"),
        ("DATABASE_URL", "postgresql://u:sesame@/verdicts?service=none"),
        ("DATABASE_URL", "postgresql://u:sesame@127.0.0.1:1/verdicts?sslmode=perhaps"),
        ("DATABASE_URL", "sqlite:////dev/null/sesame"),
        ("DATABASE_URL", "sqlite:////dev"),
    ],
)
def test_whatever_was_taken_readyz_answers_and_doctor_tells_no_password(sqlite, setting, monkeypatch, name, value):
    monkeypatch.setattr("socket.getaddrinfo", _no_such_host)
    setting(**{name: value})
    answer = create_app().test_client().get("/readyz")
    assert answer.status_code == (503 if name == "DATABASE_URL" else 200)
    told = CliRunner().invoke(main, ["doctor"])
    assert isinstance(told.exception, SystemExit)
    assert "Traceback" not in told.output
    assert "sesame@" not in told.output
    assert ":sesame" not in told.output


def _no_such_host(*_, **__):
    raise OSError("no network in this test")


def test_a_failure_that_nobody_foresaw_is_told_without_its_words(sqlite, redis_url, monkeypatch):
    def odd(*_, **__):
        raise RuntimeError("sesame")

    monkeypatch.setattr("web.cli.doctor.transport_of", odd)
    told = CliRunner().invoke(main, ["doctor"])
    assert "✕ mail server: cannot be looked at: RuntimeError" in told.output
    assert "sesame" not in told.output


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("redis://:p@h:1/2", "redis://:p@h:1/2"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0"),
        ("unix://:p%23@/run/r.sock?db=4", "redis+socket://:p%23@/run/r.sock?virtual_host=4"),
    ],
)
def test_celery_is_told_the_same_redis_in_its_own_words(ours, theirs):
    assert broker_url(ours) == theirs


def test_the_engine_of_a_database_that_is_away_fails_as_callers_expect(setting):
    setting(DATABASE_URL="postgres+psycopg://u:sesame@127.0.0.1:1/verdicts")
    with pytest.raises(SQLAlchemyError), session.reading() as opened:
        opened.connection()
