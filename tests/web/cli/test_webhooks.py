"""`verdicts webhooks`: what the console's page does, by command."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db import moments
from db.operators.audit import AuditEntry
from db.session import reading
from db.webhooks.event_types import TYPES
from tests import hooks
from tests.receivers import answering, receiving
from web.cli import main

pytestmark = pytest.mark.usefixtures("database")
URL = "https://hooks.example/services/T0/s3cr3t"


def verdicts(*words: object, code: int = 0):
    done = CliRunner().invoke(main, ["webhooks", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def test_a_webhook_is_added_and_its_secret_printed_alone(setting):
    setting(OUTSIDE_NETWORKS="127.0.0.0/8")
    done = verdicts("add", "http://127.0.0.1:9/in", "--event", "alert.opened", "--event", "digest.frozen")
    [secret] = done.stdout.split()
    found = hooks.look(1)
    assert (found.secrets(moments.now()), found.events) == ([secret], ["alert.opened", "digest.frozen"])
    assert "Webhook 1 is added" in done.stderr
    assert "Warning" not in done.stderr
    with reading() as session:
        [entry] = session.scalars(select(AuditEntry))
    assert (entry.actor.startswith("command: "), entry.action, entry.about) == (True, "webhooks.add", "webhook 1")


@pytest.mark.once
def test_an_address_of_our_own_network_is_warned_of():
    done = verdicts("add", "http://127.0.0.1:9/in", "--all-events", "--form", "chat")
    assert "OUTSIDE_NETWORKS" in done.stderr
    assert hooks.look(1).events == list(TYPES)


@pytest.mark.once
@pytest.mark.parametrize("words", ["ftp://x.example --all-events", "https://x.example", "x.example --all-events"])
def test_a_bad_webhook_is_refused_with_a_sentence(words):
    done = verdicts("add", *words.split(), code=1)
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.once
def test_an_unknown_number_is_refused():
    for words in ("show 7", "test 7", "secret 7", "enable 7", "disable 7 --reason x", "remove 7"):
        assert "There is no webhook 7" in verdicts(*words.split(), code=1).stderr


def test_lists_show_the_origin_and_show_the_whole_url_and_neither_a_secret(setting):
    setting(OUTSIDE_NETWORKS="127.0.0.0/8")
    with receiving(answering("500 Oops")) as receiver:
        made = hooks.add(receiver.url(path="/services/s3cr3t"))
        verdicts("test", 1)
        hooks.post_all()
    for words in (("list",), ("list", "--json")):
        told = verdicts(*words).stdout
        assert "http://127.0.0.1" in told
        assert "s3cr3t" not in told
        assert made.secret not in told
    shown = json.loads(verdicts("show", 1, "--json").stdout)
    assert shown["url"] == receiver.url(path="/services/s3cr3t")
    assert (shown["state"], shown["messages"][0]["event"]) == ("enabled", "webhook.test")
    assert (shown["messages"][0]["state"], shown["messages"][0]["status"]) == ("waiting", 500)
    assert made.secret.removeprefix("whsec_") not in str(shown) + verdicts("show", 1).stdout
    assert shown["failing_since"]


def test_a_webhook_is_changed_disabled_enabled_and_removed():
    hooks.add(URL, ["alert.opened"])
    changed = verdicts("change", 1, "--event", "digest.frozen", "--form", "chat").stdout
    assert "hears: digest.frozen (form: chat)" in changed
    assert hooks.look(1).form == "chat"
    old = hooks.look(1).secrets(moments.now())
    [new] = verdicts("secret", 1).stdout.split()
    assert hooks.look(1).secrets(moments.now()) == [new, *old]
    verdicts("disable", 1, "--reason", "they move house")
    assert json.loads(verdicts("list", "--json").stdout)[0]["reason"] == "they move house"
    verdicts("test", 1, code=1)
    verdicts("enable", 1, "--note", "they are in")
    verdicts("remove", 1, "--yes")
    assert json.loads(verdicts("list", "--json").stdout) == []
    assert "There is no webhook" in verdicts("list").stdout
