"""Failed jobs on the console: seen by everybody, mended by operators, by their numbers or all that match."""

import re
import time
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import select

from db.jobs import jobs
from db.jobs.jobs import Job
from db.operators.audit import AuditEntry
from db.session import reading, writing
from tests.failed import fill, many, states

ABC = "SubscriptionRequested:ValueError:abc"


def hidden(page: str) -> dict[str, list[str]]:
    """The hidden fields of the page's last form, as a browser would send them."""
    form = page[page.rindex('<form class="asking"') :]
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]+>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and value:
            found.setdefault(name[1], []).append(unescape(value[1]))
    return found


def audited() -> AuditEntry:
    with reading() as session:
        return session.scalars(
            select(AuditEntry).where(AuditEntry.action.like("jobs.%")).order_by(AuditEntry.id.desc())
        ).first()


# ---- the groups --------------------------------------------------------------------------------------------


def test_groups_are_shown_with_their_counts_and_unfold_to_single_jobs(console):
    ids = fill(25)
    fill(2, fingerprint="def", said="row <12> is bad", reaction="refresh_drafts")
    browser = console("viewer")
    page = browser.get("/operator/jobs").text
    assert "27 jobs in 2 groups" in page
    assert "row &lt;12&gt; is bad" in page
    assert "refresh_drafts" in page
    assert f"job {ids[-1]}" not in page
    unfolded = browser.get("/operator/jobs", query_string={"open": ABC}).text
    assert f'<a href="/operator/jobs/{ids[-1]}">' in unfolded
    assert "Show 5 more" in unfolded
    rest = browser.get("/operator/jobs", query_string={"group": ABC}).text
    assert rest.count('href="/operator/jobs/') == 25


def test_each_view_and_filter_has_a_link_of_its_own(console):
    [dead] = fill(said="100% is bad")
    [waiting] = fill(1, "pending", kind="ComparisonPublished", failed_at=datetime.now(UTC))
    [succeeded], [discarded], [running] = fill(1, "succeeded"), fill(1, "discarded", note="old"), fill(1, "running")
    browser = console("viewer")

    def shown(**query: str) -> set[int]:
        page = browser.get("/operator/jobs", query_string={"list": "yes", **query})
        assert page.status_code == 200
        return {int(number) for number in re.findall(r'href="/operator/jobs/(\d+)"', page.text)}

    assert shown() == {dead}
    assert shown(state="waiting") == {waiting}
    assert shown(state="succeeded") == {succeeded}
    assert shown(state="discarded") == {discarded}
    assert shown(state="running") == {running}
    assert shown(state="all") == {dead, waiting, succeeded, discarded, running}
    assert shown(state="all", kind="ComparisonPublished") == {waiting}
    assert shown(state="all", since="1h") == {waiting}
    assert shown(text="100%") == {dead}
    assert shown(text="100_") == set()
    assert shown(queue="mail") == set()
    for nonsense in ({"state": "lost"}, {"since": "soon"}, {"group": "x"}, {"id": "-1"}, {"upto": "9" * 30}):
        assert browser.get("/operator/jobs", query_string=nonsense).status_code == 409


def test_a_long_list_goes_on_on_further_pages(console):
    many(120, "succeeded")
    browser = console("viewer")
    first = browser.get("/operator/jobs?state=succeeded").text
    [older] = re.findall(r'href="([^"]+)">Older', first)
    second = browser.get(unescape(older)).text
    numbers = [re.findall(r'href="/operator/jobs/(\d+)"', page) for page in (first, second)]
    assert [len(each) for each in numbers] == [50, 50]
    assert int(numbers[0][-1]) == int(numbers[1][0]) + 1


@pytest.mark.once
def test_viewers_and_editors_see_no_buttons_and_no_addresses(console):
    [dead] = fill(said="no mailbox for alice@reader.example", payload={"to": "alice@reader.example"})
    for role, sees in (("viewer", False), ("editor", False), ("operator", True)):
        browser = console(role)
        for page in (browser.get("/operator/jobs"), browser.get(f"/operator/jobs/{dead}")):
            assert page.status_code == 200
            assert ("alice@reader.example" in page.text) == sees
            assert ("Retry" in page.text) == sees


# ---- many --------------------------------------------------------------------------------------------------


def test_chosen_groups_and_jobs_are_counted_first_and_then_retried_at_a_rate(console):
    group, others = fill(30), fill(3, fingerprint="def")
    browser = console("operator")
    asked = browser.press("/operator/jobs/retry", {"group": [ABC], "id": [str(others[0])], "state": "dead"})
    assert asked.status_code == 200
    assert "Retry 31 jobs" in asked.text
    assert "1 whole group, 1 single job" in asked.text
    assert set(states().values()) == {"dead"}, "asking changes nothing"
    done = browser.press(
        "/operator/jobs/retry", hidden(asked.text) | {"rate": "5", "note": "mended"}, follow_redirects=True
    )
    assert "31 jobs are owed again. They are released 5 a second, so the last one starts in 6 s." in done.text
    assert {states()[job_id] for job_id in (*group, others[0])} == {"pending"}
    assert {states()[job_id] for job_id in others[1:]} == {"dead"}
    kept = audited()
    assert (kept.action, kept.count, kept.note, kept.actor) == ("jobs.retry", 31, "mended", "operator@newsroom.example")
    assert kept.chosen_by["groups"] == [ABC]


def test_a_rows_own_button_means_that_row_alone(console):
    fill(2)
    fill(3, fingerprint="def")
    asked = console("operator").press("/operator/jobs/retry", {"only": ABC, "group": [ABC.replace("abc", "def")]})
    assert "Retry 2 jobs" in asked.text


def test_all_that_match_the_filter_are_meant_whatever_is_checked(console):
    fill(120)
    fill(5, kind="ComparisonPublished")
    browser = console("operator")
    form = {"all": "yes", "kind": "SubscriptionRequested", "group": [ABC.replace("abc", "def")]}
    asked = browser.press("/operator/jobs/discard", form)
    assert "Discard 120 jobs" in asked.text
    refused = browser.press("/operator/jobs/discard", hidden(asked.text) | {"note": " "})
    assert refused.status_code == 409
    assert set(states().values()) == {"dead"}
    done = browser.press("/operator/jobs/discard", hidden(asked.text) | {"note": "sent by hand"}, follow_redirects=True)
    assert "120 jobs are discarded." in done.text
    asked = browser.press("/operator/jobs/restore", {"all": "yes", "state": "discarded"})
    done = browser.press("/operator/jobs/restore", hidden(asked.text), follow_redirects=True)
    assert "120 jobs are restored." in done.text
    assert set(states().values()) == {"dead"}


def test_what_changed_after_the_count_is_left_alone_and_said(console):
    first, second = fill(2)
    browser = console("operator")
    asked = browser.press("/operator/jobs/retry", {"all": "yes"})
    [new] = fill(1, failed_at=datetime.now(UTC) + timedelta(seconds=1))
    browser.press(f"/operator/jobs/{second}/retry")
    with writing() as session:
        session.get_one(Job, second).state = "running"
    done = browser.press("/operator/jobs/retry", hidden(asked.text) | {"rate": "10"}, follow_redirects=True)
    assert "1 job is owed again. You were shown 2; 1 job changed meanwhile and were left alone." in done.text
    assert states() == {first: "pending", second: "running", new: "dead"}


@pytest.mark.once
@pytest.mark.parametrize("form", [{}, {"group": "x"}, {"id": "zero"}, {"all": "yes", "kind": "Nothing"}])
def test_an_order_about_nothing_is_refused(console, form):
    fill(1)
    assert console("operator").press("/operator/jobs/retry", form).status_code == 409
    assert set(states().values()) == {"dead"}


@pytest.mark.once
@pytest.mark.parametrize("rate", ["", "0", "-1", "nan", "1e9", "fast"])
def test_a_rate_that_is_none_is_refused(console, rate):
    fill(1)
    browser = console("operator")
    asked = browser.press("/operator/jobs/retry", {"all": "yes"})
    assert browser.press("/operator/jobs/retry", hidden(asked.text) | {"rate": rate}).status_code == 409
    assert set(states().values()) == {"dead"}


# ---- one ---------------------------------------------------------------------------------------------------


def test_a_jobs_page_shows_its_payload_every_attempt_and_the_jobs_around_it(console):
    [cause] = fill(1, "succeeded")
    [job] = fill(1, cause=cause, reaction="welcome")
    browser = console("operator")
    page = browser.get(f"/operator/jobs/{job}").text
    assert "&#34;subscriber&#34;: 1" in page
    assert "Traceback (most recent call last)" in page
    assert "host:1" in page
    assert f'href="/operator/jobs/{cause}"' in page
    assert f'href="/operator/jobs/{job}">job {job}</a> welcome' in browser.get(f"/operator/jobs/{cause}").text
    assert browser.get("/operator/jobs/999").status_code in (404, 409)


def test_one_job_is_retried_stopped_discarded_and_restored(console):
    [dead] = fill()
    [waiting] = fill(1, "pending", run_after=datetime.now(UTC) + timedelta(hours=1))
    browser = console("operator")
    assert "is owed again" in browser.press(f"/operator/jobs/{dead}/retry", follow_redirects=True).text
    assert "Retry now" in browser.get(f"/operator/jobs/{waiting}").text
    browser.press(f"/operator/jobs/{waiting}/stop")
    assert states() == {dead: "pending", waiting: "dead"}
    asked = browser.press(f"/operator/jobs/{waiting}/discard")
    assert "Discard job" in asked.text
    assert browser.press(f"/operator/jobs/{waiting}/discard", {"confirmed": "yes"}).status_code == 409
    browser.press(f"/operator/jobs/{waiting}/discard", {"confirmed": "yes", "note": "too old"})
    assert "discarded</span>: too old" in browser.get(f"/operator/jobs/{waiting}").text
    browser.press(f"/operator/jobs/{waiting}/restore")
    assert states()[waiting] == "dead"
    assert browser.press(f"/operator/jobs/{waiting}/restore").status_code == 409


def test_an_edited_copy_is_owed_and_mistakes_stand_next_to_their_fields(console):
    [old] = fill(1, payload={"sign_up": 1, "subscriber": 1, "former": 2})
    browser = console("operator")
    form = browser.get(f"/operator/jobs/{old}/edit").text
    assert 'name="field-subscriber" value="1"' in form
    assert "former" in form
    wrong = browser.press(f"/operator/jobs/{old}/edit", {"field-sign_up": "1", "field-subscriber": "seven"})
    assert wrong.status_code == 409
    assert 'value="seven"' in wrong.text
    assert 'aria-describedby="fault_subscriber"' in wrong.text
    assert "subscriber must be a whole number" in wrong.text
    done = browser.press(
        f"/operator/jobs/{old}/edit", {"field-sign_up": "1", "field-subscriber": "7"}, follow_redirects=True
    )
    copy = max(states())
    assert f"Job {copy} is owed in place of job {old}." in done.text
    assert f'href="/operator/jobs/{old}"' in done.text
    assert f'href="/operator/jobs/{copy}"' in browser.get(f"/operator/jobs/{old}").text
    with reading() as session:
        assert jobs.get(session, copy).payload == {"sign_up": 1, "subscriber": 7}
    again = browser.press(f"/operator/jobs/{old}/edit", {"field-subscriber": "8"})
    assert again.status_code == 409
    assert len(states()) == 2


def test_a_kind_that_this_release_does_not_know_is_shown_and_not_edited(console):
    [strange] = fill(1, kind="SomethingNewer", payload={"a": 1})
    browser = console("operator")
    page = browser.get(f"/operator/jobs/{strange}").text
    assert "this release does not know it" in page
    assert "Edit and retry" not in page
    assert browser.get(f"/operator/jobs/{strange}/edit").status_code == 409


# ---- speed -------------------------------------------------------------------------------------------------


def test_ten_thousand_failed_jobs_are_shown_and_retried_within_seconds(console):
    many(10_000)
    browser = console("operator")
    began = time.monotonic()
    page = browser.get("/operator/jobs").text
    assert time.monotonic() - began < 3, "0.3 s on a quiet machine; this one may be busy"
    assert "10,000 jobs in 50 groups" in page
    asked = browser.press("/operator/jobs/retry", {"all": "yes"})
    began = time.monotonic()
    done = browser.press("/operator/jobs/retry", hidden(asked.text) | {"rate": "1000"}, follow_redirects=True)
    assert time.monotonic() - began < 20
    assert "10,000 jobs are owed again" in done.text


def test_an_outside_job_names_its_receiver_and_is_found_by_its_queue(console):
    [job] = fill(1, kind="PostWebhookMessage", payload={"message": 1}, receiver="hooks.example")
    [event] = fill(1)
    browser = console("viewer")
    assert "<dt>Receiver</dt><dd>hooks.example</dd>" in browser.get(f"/operator/jobs/{job}").text
    page = browser.get("/operator/jobs", query_string={"list": "yes", "queue": "outside"}).text
    assert f'href="/operator/jobs/{job}"' in page
    assert f'href="/operator/jobs/{event}"' not in page
