"""The outside line asks the DNS once an hour, and the console shows what it found."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.jobs.jobs import Attempt, Job
from db.monitoring import dns_lookups
from db.session import reading
from tests.emails.played_dns import PlayedDns
from worker.jobs import outside_jobs
from worker.outside import dns_lookups as worker

RELAYED = {"MAIL_URL": "smtp://relay.provider.site", "MAIL_FROM": "news@verdicts.site"}


@pytest.fixture(autouse=True)
def _asks_at_each_look(monkeypatch):
    monkeypatch.setattr(worker, "ASKED_SECONDS", 0.0)


def work() -> int:
    """What the outside line does in one look; how many jobs it did."""
    worker.keep_looking_up()
    done = 0
    while job := outside_jobs.claim_one():
        outside_jobs.run(job)
        done += 1
    return done


def jobs() -> list[tuple[str, str]]:
    with reading() as session:
        return [tuple(row) for row in session.execute(select(Job.kind, Job.state).order_by(Job.id))]


def test_what_the_dns_holds_is_looked_up_once_an_hour(database, clock, setting, monkeypatch):
    setting(**RELAYED)
    with PlayedDns({("verdicts.site", "MX"): ["10 mx.verdicts.site."]}) as played:
        played.records["mx.verdicts.site", "A"] = ["192.0.2.5"]
        monkeypatch.setattr("emails.dns.questions.machine", played.resolver)
        assert work() == 1
        assert work() == 0
        with reading() as session:
            last = dns_lookups.last(session)
        assert last.at == clock.now
        found = {each["line"].split(" ")[1] + " " + each["line"].split(".")[0]: each["well"] for each in last.found}
        assert found == {"TXT verdicts": None, "TXT _dmarc": None, "MX verdicts": True}
        assert [each.split(" (")[0] for each in last.warnings] == ["Letters leave unsigned", "No inbox is read"]
        played.records["verdicts.site", "TXT"] = ['"v=spf1 a:relay.provider.site -all"']
        clock.set(clock.now + timedelta(hours=1))
        assert work() == 1
    with reading() as session:
        again = dns_lookups.last(session)
        assert session.scalars(select(Attempt.outcome)).all() == ["succeeded"]
    assert [each["well"] for each in again.found] == [True, None, True]
    assert jobs() == [("LookUpRecords", "succeeded"), ("LookUpRecords", "pending")]


def test_name_servers_that_do_not_answer_are_told_and_asked_again(sqlite, clock, setting):
    setting(**RELAYED)
    assert work() == 1
    with reading() as session:
        last = dns_lookups.last(session)
    assert {each["told"] for each in last.found} == {"no name servers in this test"}
    assert jobs()[-1] == ("LookUpRecords", "pending")


def test_a_key_that_cannot_be_read_is_a_failed_job_and_what_was_known_stays(sqlite, clock, setting):
    setting(**RELAYED)
    assert work() == 1
    setting(DKIM_DOMAIN="verdicts.site", DKIM_SELECTOR="w", DKIM_KEY_FILE="none.pem")
    clock.set(clock.now + timedelta(hours=1))
    assert work() == 1
    with reading() as session:
        assert dns_lookups.last(session).at == clock.now - timedelta(hours=1)
        [said] = session.scalars(select(Job.said).where(Job.said.is_not(None)))
    assert "none.pem cannot be read" in said


@pytest.mark.parametrize("mail", [{"MAIL_URL": "maildir:var/outbox"}, {"MAIL_FROM": "digest@localhost.localdomain"}])
def test_a_site_that_has_nothing_to_publish_asks_nobody(sqlite, clock, setting, mail):
    setting(**RELAYED | mail)
    assert work() == 0
    assert jobs() == []


def test_a_site_that_goes_back_to_a_maildir_stops_asking(sqlite, clock, setting):
    setting(**RELAYED)
    work()
    setting(MAIL_URL="maildir:var/outbox")
    clock.set(clock.now + timedelta(hours=1))
    assert work() == 1
    assert work() == 0
    assert [state for _, state in jobs()] == ["succeeded", "succeeded"]
