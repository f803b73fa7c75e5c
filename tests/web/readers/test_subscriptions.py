"""Coming by two steps, leaving by one, and nothing told about who is known."""

import hashlib
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from db.jobs import jobs
from db.session import reading, writing
from db.subscribers import subscribers, subscriptions
from db.subscribers.subscribers import Consent
from db.votes import votes
from web.app import create_app
from web.readers.subscriptions import CONSENT_VERSION, CONSENT_WORDS

ALICE = "alice@reader.example"


def rows(table):
    with reading() as session:
        return session.scalar(select(func.count()).select_from(table))


# ---- the form ------------------------------------------------------------------------------------------------


def test_alice_subscribes_and_her_consent_is_kept_with_its_words(client, state):
    page = client.get("/").text
    assert CONSENT_WORDS in page
    assert "we’ll remind you once, and then we won’t email you again" in page
    answer = client.post(
        "/subscribe",
        data={"email": " Alice@Reader.Example "},
        headers={"Referer": "http://localhost/compare/a-vs-b?utm=1", "User-Agent": "Browser\t1"},
    )
    assert answer.status_code == 200
    assert "Check your inbox" in answer.text
    assert state(ALICE) == "pending"
    with reading() as session:
        kept = session.scalars(select(Consent)).one()
    assert (kept.words, kept.words_version) == (CONSENT_WORDS, CONSENT_VERSION)
    assert kept.source == "http://localhost:8000/compare/a-vs-b"
    assert (kept.ip, kept.user_agent) == ("127.0.0.1", "Browser1")
    assert rows(jobs.Job) == 1


def test_whoever_changes_the_words_of_consent_changes_their_version():
    known = {"2026-11-28": "c19e56b7517b", "2026-11-29": "3a5870f9f771"}
    assert known[CONSENT_VERSION] == hashlib.sha256(CONSENT_WORDS.encode()).hexdigest()[:12]


def test_the_answer_is_the_same_whoever_is_known(client, active):
    active(ALICE)
    answers = {client.post("/subscribe", data={"email": who}).text for who in (ALICE, "new@reader.example", ALICE)}
    assert len(answers) == 1


def test_what_fills_the_hidden_field_is_a_program(client, state):
    shown = client.post("/subscribe", data={"email": ALICE}).text
    filled = client.post("/subscribe", data={"email": "bot@reader.example", "website": "http://spam.example"})
    assert (filled.status_code, filled.text) == (200, shown)
    assert state("bot@reader.example") is None


BAD = ["", " ", "alice", "alice@", "@x.example", "a b@x.example", "a@b@c.example", "a@x..example", "a" * 9000,
       "a@x.example\nBcc: b@x.example", "a\0@x.example", "<script>@x.example", "a@[127.0.0.1]", "a@-x.example",
       "🎉@x.example", "a@x.example,b@x.example", "\u202ea@x.example"]  # fmt: skip


def test_an_unusable_address_is_sent_back_with_what_to_do(client):
    for given in BAD:
        answer = client.post("/subscribe", data={"email": given})
        assert answer.status_code == 422, given
        assert 'aria-invalid="true"' in answer.text
        assert 'aria-describedby="email_problem consent_words"' in answer.text
        assert re.search(r'id="email_problem" role="alert">\s*\w', answer.text)
        assert "<script>@" not in answer.text
    assert 'value="a b@x.example"' in client.post("/subscribe", data={"email": "a b@x.example"}).text
    assert rows(subscribers.Subscriber) == 0


def test_an_international_address_is_taken(client, state):
    assert client.post("/subscribe", data={"email": "zoë@bücher.example"}).status_code in (200, 422)
    assert client.post("/subscribe", data={"email": "zoe@bücher.example"}).status_code == 200
    assert state("zoe@xn--bcher-kva.example") == "pending"


def test_another_site_cannot_subscribe_its_visitors(client):
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/subscribe", data={"email": ALICE}, headers=headers).status_code == 403
    assert client.post("/subscribe", data={"email": ALICE, "more": "x" * 100_000}).status_code == 413
    assert rows(subscribers.Subscriber) == 0


# ---- the confirm link ----------------------------------------------------------------------------------------


def test_a_forwarded_link_gives_no_address_away(client, asked, link):
    number = asked(ALICE)
    pages = [client.get(link("confirm", number)), client.post(link("confirm", number)),
             client.get(link("confirm", number))]  # fmt: skip
    pages += [client.get(link("unsubscribe", 1)), client.post(link("unsubscribe", 1)),
              client.get(link("unsubscribe", 1))]  # fmt: skip
    for page in pages:
        assert "alice" not in page.text
        assert "reader.example" not in page.text
        assert "a…@r….example" in page.text


def test_one_press_confirms_and_a_second_visit_shows_what_is_so(client, asked, link, state):
    path = link("confirm", asked(ALICE))
    asks = client.get(path)
    assert asks.status_code == 200
    assert asks.text.count("<button") == 1
    assert "a…@r….example" in asks.text
    assert state(ALICE) == "pending"
    done = client.post(path, headers={"Origin": "null"})
    assert done.status_code == 200
    assert "You’re subscribed" in done.text
    assert state(ALICE) == "active"
    again = client.get(path)
    assert again.status_code == 200
    assert "You’re subscribed" in again.text
    assert "<button" not in again.text
    assert client.post(path).status_code == 200


def test_looking_does_nothing_however_often(client, asked, link, state):
    path = link("confirm", asked(ALICE))
    for method in ("GET", "HEAD", "OPTIONS"):
        assert client.open(path, method=method).status_code == 200
    assert state(ALICE) == "pending"


def test_the_browsers_votes_become_the_subscribers(client, catalogue, asked, link):
    client.post("/tools/quillmate/vote", data={"choice": "ship"})
    done = client.post(link("confirm", asked(ALICE)))
    assert "voter=subscriber:" in done.headers["Set-Cookie"]
    assert "Counted: you said ship." in client.get("/tools/quillmate").text
    with reading() as session:
        standing = {v.voter.split(":")[0]: v.choice for v in session.scalars(select(votes.Vote))}
    assert standing == {"anonymous": None, "subscriber": "ship"}


def test_a_link_expires_after_two_weeks(client, clock, asked, link, state):
    path = link("confirm", asked(ALICE))
    clock.forward(days=15)
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert "Subscribe again" in answer.text
    assert state(ALICE) == "pending"


def test_who_left_is_not_brought_back_by_the_old_link(client, asked, link, state):
    sign_up = asked(ALICE)
    client.post(link("confirm", sign_up))
    with writing() as session:
        subscriptions.leave(session, 1, "page", datetime.now(UTC))
    for answer in (client.get(link("confirm", sign_up)), client.post(link("confirm", sign_up))):
        assert answer.status_code == 410
        assert "You’ve unsubscribed" in answer.text
    assert state(ALICE) == "unsubscribed"


def test_another_site_cannot_confirm_in_the_readers_name(client, asked, link, state):
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post(link("confirm", asked(ALICE)), headers=headers).status_code == 403
    assert state(ALICE) == "pending"


# ---- every link of a letter ------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["confirm", "unsubscribe", "vote"])
def test_forged_cut_and_misused_tokens_are_refused_in_words(client, active, link, state, purpose):
    active(ALICE)
    good = link(purpose, 1).rpartition("/")[2]
    other = link("unsubscribe" if purpose != "unsubscribe" else "vote", 1).rpartition("/")[2]
    cut, bent = good[:-1], ("B" if good[0] == "A" else "A") + good[1:]
    for token in (cut, bent, other, "x" * 40, "x" * 4000, "%00", "%ff%fe", "é" * 40, "."):
        for answer in (client.get(f"/{purpose}/{token}"), client.post(f"/{purpose}/{token}")):
            assert answer.status_code == 404, token
            assert "nothing was changed" in answer.text
            assert answer.headers["Cache-Control"] == "no-store"
    assert state(ALICE) == "active"


@pytest.mark.parametrize("changed", ["{}.", "{})", "{}%3E", "{}%E2%80%8B", "%3C{}%3E", "{}=", "{}./"])
def test_links_work_with_what_mail_programs_take_in_with_them(client, asked, active, link, state, changed):
    for path, says in (
        (link("confirm", asked("bob@reader.example")), "Confirm"),
        (link("unsubscribe", active(ALICE)), "Uns"),
    ):
        before, _, token = path.rpartition("/")
        asks = client.get(f"{before}/{changed.format(token)}")
        assert (asks.status_code, f"<h1>{says}" in asks.text) == (200, True)
        assert f'action="{path}"' in asks.text, "the button sends the link as it was"
        assert client.post(f"{before}/{changed.format(token)}").status_code == 200
    assert (state("bob@reader.example"), state(ALICE)) == ("active", "unsubscribed")


def test_pages_behind_links_are_private_and_without_menu(client, catalogue, asked, active, link):
    paths = [link("confirm", asked("bob@reader.example")), link("unsubscribe", active(ALICE))]
    paths.append(link("vote", 2) + "?tool=quillmate&choice=skip")
    for path in paths:
        for answer in (client.get(path), client.post(path)):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Robots-Tag"] == "noindex"
            assert "Set-Cookie" not in answer.headers or "/confirm/" in path
            assert "<nav" not in answer.text
            assert answer.text.count("<h1") == 1


# ---- unsubscribing (RFC 8058) ------------------------------------------------------------------------------------

ONE_CLICK = [
    {"data": {"List-Unsubscribe": "One-Click"}},
    {"data": {"List-Unsubscribe": "One-Click"}, "content_type": "multipart/form-data"},
    {"data": b"List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded"},
]


@pytest.mark.parametrize("body", ONE_CLICK)
def test_a_mail_program_unsubscribes_with_one_post(client, active, link, state, body):
    path = link("unsubscribe", active(ALICE), 99)
    headers = {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site", "User-Agent": ""}
    for _ in range(2):
        answer = client.post(path, headers=headers, **body)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert "Location" not in answer.headers
        assert state(ALICE) == "unsubscribed"
    with reading() as session:
        left = session.scalars(select(Consent).where(Consent.what == "withdrawn")).one()
    assert left.source == "one-click"


def test_a_reader_leaves_by_the_page(client, active, link, state):
    path = link("unsubscribe", active(ALICE))
    asks = client.get(path)
    assert asks.text.count("<button") == 1
    assert client.head(path).status_code == 200
    assert state(ALICE) == "active"
    assert "You’re unsubscribed" in client.post(path).text
    assert state(ALICE) == "unsubscribed"
    assert "You’re unsubscribed" in client.get(path).text


def test_no_body_keeps_anybody_subscribed(client, active, link, state):
    for number, body in enumerate((b"", b"\xff" * 70_000, b"--x\r\n", b"%%%")):
        address = f"reader{number}@reader.example"
        path = link("unsubscribe", active(address))
        answer = client.post(path, data=body, content_type="multipart/form-data; boundary=x")
        assert answer.status_code == 200
        assert state(address) == "unsubscribed"


def test_who_was_never_here_is_out(client, link):
    assert client.get(link("unsubscribe", 4711)).status_code == 200
    assert client.post(link("unsubscribe", 4711)).status_code == 200


def test_who_left_can_come_again(client, clock, active, link, state):
    client.post(link("unsubscribe", active(ALICE)))
    clock.forward(minutes=20)
    assert client.post("/subscribe", data={"email": ALICE}).status_code == 200
    assert state(ALICE) == "pending"


def test_a_confirm_link_pressed_again_elsewhere_makes_nobody_the_subscriber(client, asked, link, cast):
    path = link("confirm", asked(cast.alice))
    first = client.post(path)
    assert "voter=subscriber" in first.headers.get("Set-Cookie", "")
    stranger = create_app().test_client()
    again = stranger.post(path)
    assert again.status_code == 200
    assert "Set-Cookie" not in again.headers
