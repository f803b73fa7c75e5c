"""From what happens to a receiver: a chat hears of a dead mail server, and one bad receiver holds up no other."""

import time

import pytest

from db import moments
from db.deliveries.limits import breakers
from db.session import writing
from db.subscribers import subscriptions
from tests import hooks
from tests.receivers import answering, hanging, receiving
from web.actions import webhooks as actions
from worker.alerts.alerts import watch
from worker.outside_line import OutsideLine

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def loopback(setting):
    setting(OUTSIDE_NETWORKS="127.0.0.0/8")


def wait_for(condition, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def test_a_chat_hears_of_a_mail_server_that_refuses_everybody_and_of_its_return(clock):
    with receiving(answering("200 OK", body=b"ok")) as chat:
        hooks.add(chat.url(path="/services/T0/B0/x"), ["alert.opened", "alert.closed"], form="chat")
        with writing() as session:
            breakers.refused(session, "smtp://relay.example:25", "421 4.3.2 down for maintenance", moments.now())
        for _ in range(4):
            clock.forward(minutes=1)
            with writing() as session:
                breakers.refused(session, "smtp://relay.example:25", "421 4.3.2 down for maintenance", moments.now())
        watch(moments.now())
        hooks.post_all()
        texts = [each.json["text"] for each in hooks.heard(chat)]
        assert [text for text in texts if text.startswith("Alert: The mail server has refused everybody for 4 min.")]
        with writing() as session:
            breakers.answered(session, "smtp://relay.example:25")
        watch(moments.now())
        hooks.post_all()
        last = hooks.heard(chat)[-1].json["text"]
        assert last.startswith("Over: The mail server has refused everybody")


@pytest.mark.waits
def test_a_receiver_that_hangs_delays_nobody_else():
    with receiving(hanging) as bad, receiving(answering()) as good:
        slow, quick = hooks.add(bad.url()).number, hooks.add(good.url()).number
        for _ in range(12):
            actions.send_test(hooks.ADA, slow, moments.now())
        for _ in range(12):
            actions.send_test(hooks.ADA, quick, moments.now())
        line = OutsideLine()

        def all_taken() -> bool:
            line.look()
            return len(good.heard) == 12

        wait_for(all_taken)
        assert not any(each.message.tried_at for each in hooks.sent(slow)), (
            "that was before the first that hangs was given up"
        )
        assert 1 <= len(bad.heard) <= 2
        wait_for(lambda: [each.state for each in hooks.sent(quick)] == ["delivered"] * 12)
        bad.over.set()
        assert line.places.wait_until_empty(15.0)
        assert not hooks.look(slow).disabled_at


def test_what_a_reader_does_arrives_at_a_program(clock, cast):
    with receiving(answering()) as program:
        hooks.add(program.url(), ["subscription.confirmed", "subscription.ended"])
        with writing() as session:
            subscriptions.request(session, cast.alice, words="Yes", words_version="1", locale="en", form_url="/",
                                  ip="192.0.2.7", user_agent=None, now=moments.now())  # fmt: skip
        with writing() as session:
            alice = subscriptions.confirm(session, 1, "192.0.2.7", moments.now()).id
        hooks.post_all()
        with writing() as session:
            subscriptions.leave(session, alice, "one-click", moments.now())
        hooks.post_all()
        found = hooks.heard(program)
    assert [each.json["type"] for each in found] == ["subscription.confirmed", "subscription.ended"]
    everything = b"".join(program.heard)
    assert b"alice" not in everything
    assert b"192.0.2.7" not in everything
