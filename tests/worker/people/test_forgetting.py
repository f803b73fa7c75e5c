"""The clock's cleaning: sign-ups that nobody confirmed and limits that are over, with what was kept anywhere else."""

from datetime import timedelta

from sqlalchemy import inspect, select, text

from db import limits
from db.deliveries import deliveries
from db.engine import engine
from db.limits import Bucket
from db.persons import person_of
from db.session import reading, writing
from db.subscribers import subscriptions
from worker import tasks
from worker.jobs import jobs
from worker.people import forgetting, retention

FORM = {
    "words": "Yes",
    "words_version": "1",
    "locale": "en",
    "form_url": "/",
    "ip": "203.0.113.7",
    "user_agent": "Alicefox",
}


def everything():
    """All that the database holds, as one text."""
    with reading() as session:
        names = inspect(engine()).get_table_names()
        return "\n".join(f"{name} {row}" for name in names for row in session.execute(text(f"SELECT * FROM {name}")))


def test_nothing_is_left_of_alice_anywhere(database, clock, cast):
    with writing() as session:
        subscriptions.request(session, cast.alice, **FORM, now=clock.now)
    jobs.work()
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'failed', reply = '550 <alice@reader.example> is unknown'"))
    for trace in (cast.alice, "203.0.113.7", "Alicefox"):
        assert trace in everything()
    clock.forward(days=14)
    forgetting.forget()
    for trace in (cast.alice, "203.0.113.7", "Alicefox"):
        assert trace not in everything()


def test_a_letter_that_was_still_owed_is_not_sent_to_nobody(database, clock, cast):
    with writing() as session:
        subscriptions.request(session, cast.alice, **FORM, now=clock.now)
    jobs.work()
    clock.forward(days=14)
    forgetting.forget()
    tasks.send_unless_paused()
    with reading() as session:
        [left] = deliveries.of_person(session, person_of(1))
    assert (left.state, left.reply) == ("skipped", None)


def test_it_goes_on_in_batches_and_says_how_many(database, clock, monkeypatch, capsys):
    monkeypatch.setattr(retention, "BATCH", 4)
    with writing() as session:
        for number in range(10):
            subscriptions.request(session, f"reader{number}@reader.example", **FORM, now=clock.now)
    clock.forward(days=13)
    forgetting.forget()
    assert "limits=10\n" in capsys.readouterr().out
    with reading() as session:
        assert not session.scalars(select(Bucket)).all(), "the limits of a day are over"
    clock.forward(days=1)
    forgetting.forget()
    assert "sign_ups=10" in capsys.readouterr().out
    assert "reader.example" not in everything()


def test_a_limit_that_holds_is_kept(database, clock):
    with writing() as session:
        for name in ("old", "new"):
            limits.lock(session, "network", name, timedelta(hours=1), clock.now).take(timedelta(hours=1), clock.now)
    clock.forward(minutes=59)
    with writing() as session:
        limits.lock(session, "network", "new", timedelta(hours=1), clock.now).take(timedelta(hours=1), clock.now)
    clock.forward(minutes=1)
    forgetting.forget()
    with reading() as session:
        [kept] = session.scalars(select(Bucket))
    assert len(kept.taken) == 2
