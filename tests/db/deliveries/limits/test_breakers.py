"""Which breakers are open, asked the same way by pages, alerts and senders."""

from datetime import timedelta

from db.deliveries.limits import breakers
from db.session import reading, writing
from tests.failed import AT

SERVER = "mail.example:25"


def test_a_breaker_is_open_until_its_time_and_then_no_more(database):
    with writing() as session:
        until = breakers.refused(session, SERVER, "421 not now", AT).open_until
    just_before = until - timedelta(microseconds=1)
    with reading() as session:
        assert breakers.of_server(session, SERVER).is_open(just_before)
        assert breakers.count_open(session, just_before) == 1
        assert [each.name for each in breakers.open_since(session, just_before, just_before)] == [SERVER]
        assert not breakers.of_server(session, SERVER).is_open(until)
        assert breakers.count_open(session, until) == 0
        assert breakers.open_since(session, until, until) == []


def test_a_domain_that_defers_is_no_mail_server_that_refuses(database):
    with writing() as session:
        breakers.domain_deferred(session, "reader.example", "451 later", AT)
    with reading() as session:
        assert breakers.refusing_server(session) is None
        assert breakers.count_open(session, AT) == 1
    with writing() as session:
        breakers.refused(session, SERVER, "421 not now", AT + timedelta(minutes=2))
        breakers.refused(session, "first.example:25", "421 not now", AT + timedelta(minutes=1))
    with reading() as session:
        refusing = breakers.refusing_server(session)
        assert refusing is not None
        assert refusing.name == "first.example:25"
