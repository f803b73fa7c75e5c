"""An https site behind a proxy that it was not told of warns its operators, in the console and by doctor."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from db.monitoring import visitors
from db.session import reading, writing
from db.subscribers.subscribers import Consent, Subscriber
from web.cli import main

NOW = datetime.now(UTC)


def signed_up(*addresses: str, at: datetime = NOW) -> None:
    with writing() as session:
        for ip in addresses:
            reader = Subscriber(state="pending", created_at=at)
            session.add(reader)
            session.flush()
            session.add(Consent(subscriber_id=reader.id, what="asked", at=at, source="form", ip=ip))


@pytest.mark.parametrize(
    ("addresses", "base_url", "proxies", "found"),
    [
        (["10.0.0.2", "10.0.0.2"], "https://verdicts.example", 0, "10.0.0.2"),
        (["127.0.0.1"], "https://verdicts.example", 0, "127.0.0.1"),
        (["fd00::1", "fd00::1"], "https://verdicts.example", 0, "fd00::1"),
        (["10.0.0.2", "10.0.0.2"], "https://verdicts.example", 1, None),
        (["10.0.0.2", "10.0.0.2"], "http://verdicts.example", 0, None),
        (["10.0.0.2", "10.0.0.3"], "https://verdicts.example", 0, None),
        (["10.0.0.2", "93.184.216.34"], "https://verdicts.example", 0, None),
        (["93.184.216.34"], "https://verdicts.example", 0, None),
        ([], "https://verdicts.example", 0, None),
    ],
)
def test_one_private_address_for_everybody_is_a_proxys(database, setting, addresses, base_url, proxies, found):
    config = setting(BASE_URL=base_url, TRUSTED_PROXIES=proxies)
    signed_up(*addresses)
    signed_up("203.0.113.9", at=NOW - timedelta(days=30))  # before the site moved behind the proxy
    with reading() as session:
        assert visitors.hidden_behind(session, config, NOW) == found


@pytest.mark.once
def test_console_and_doctor_say_what_to_write(console, setting, redis_url):
    dana = console("viewer")
    setting(BASE_URL="https://verdicts.example", TRUSTED_PROXIES=0)
    signed_up("127.0.0.1", "127.0.0.1")
    told = CliRunner().invoke(main, ["doctor"]).output
    assert "! visitors: TRUSTED_PROXIES is 0, and everybody comes from 127.0.0.1" in told
    assert "lock all operators out" in told
    page = dana.get("/operator").text
    assert "Write TRUSTED_PROXIES=1" in page
    setting(TRUSTED_PROXIES=1)
    assert "! visitors" not in CliRunner().invoke(main, ["doctor"]).output
    assert "Write TRUSTED_PROXIES=1" not in dana.get("/operator").text
