"""Alice says ship, Bob changes his mind, and both see it at once."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import select

from db.digests import digests
from db.session import reading, writing
from db.subscribers import subscriptions
from db.votes import votes
from tests import mailed_links
from tests.emails.people import WEEK
from web import errors
from web.app import create_app

PAGE = "/compare/quillmate-vs-inkwell"


def cast_votes():
    with reading() as session:
        return {(vote.voter.split(":")[0], vote.choice) for vote in session.scalars(select(votes.Vote)) if vote.choice}


def press(client, choice, tool="quillmate", **headers):
    return client.post(
        f"/tools/{tool}/vote", data={"choice": choice, "comparison": "quillmate-vs-inkwell"}, headers=headers
    )


# ---- from a page -------------------------------------------------------------------------------------------


def test_a_vote_leads_back_to_the_page_and_is_seen_at_once(client, catalogue):
    answer = press(client, "ship")
    assert answer.status_code == 303
    assert answer.location == PAGE + "#quillmate"
    page = client.get(PAGE).text
    assert "Counted: you said ship." in page
    assert 'value="ship" aria-pressed="true"' in page
    assert "100% of 1 vote says ship" in page


def test_bob_changes_his_mind_and_takes_his_vote_back(client, catalogue):
    press(client, "ship")
    press(client, "skip")
    assert "Counted: you said skip." in client.get(PAGE).text
    assert cast_votes() == {("anonymous", "skip")}
    press(client, "withdraw")
    assert "Counted" not in client.get(PAGE).text
    assert cast_votes() == set()


def test_two_browsers_are_two_voters(client, catalogue):
    other = create_app().test_client()
    press(client, "ship")
    press(other, "skip")
    with reading() as session:
        assert len(set(session.scalars(select(votes.Vote.voter)))) == 2
    assert "Counted: you said skip." in other.get(PAGE).text


def test_the_cookie_is_set_at_the_first_vote_and_not_before(client, catalogue):
    assert "Set-Cookie" not in client.get(PAGE).headers
    assert "Set-Cookie" not in press(client, "withdraw").headers
    cookie = press(client, "ship").headers["Set-Cookie"]
    assert cookie.startswith("voter=anonymous:")
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"):
        assert part in cookie
    assert "Secure" not in cookie


def test_with_https_the_cookie_is_secure(setting, client, catalogue):
    setting(BASE_URL="https://verdicts.example")
    assert "Secure" in press(create_app().test_client(), "ship").headers["Set-Cookie"]


FORGED = ["anonymous:me", "anonymous:me.x", "subscriber:1.AAAA", "é", "." * 3000, ""]


def test_a_forged_cookie_is_nobody(client, catalogue):
    for cookie in FORGED:
        client.set_cookie("voter", cookie)
        assert client.get(PAGE).status_code == 200
        assert press(client, "ship").status_code == 303
    with reading() as session:
        voters = set(session.scalars(select(votes.Vote.voter)))
    assert len(voters) == len(FORGED)
    assert not voters & {"anonymous:me", "subscriber:1"}


def test_a_program_gets_the_figures_as_json(client, catalogue):
    press(create_app().test_client(), "skip")
    answer = press(client, "ship", Accept="application/json")
    assert answer.status_code == 200
    assert answer.json == {"tool": "quillmate", "choice": "ship", "ship": 1, "skip": 0, "percent": 100}
    answer = press(client, "withdraw", Accept="application/json")
    assert answer.json == {"tool": "quillmate", "choice": None, "ship": 0, "skip": 0, "percent": None}


def test_the_way_back_stays_on_this_site(client, catalogue):
    for comparison in ("//evil.example", "../x", "a/b", "", "x" * 999, "a\r\nSet-Cookie: b=c"):
        answer = client.post("/tools/inkwell/vote", data={"choice": "ship", "comparison": comparison})
        assert answer.status_code == 303
        assert answer.location == "/tools/inkwell#inkwell"


BAD = [
    ({"data": {}}, 400),
    ({"data": {"choice": "maybe"}}, 400),
    ({"data": {"choice": "SHIP\0"}}, 400),
    ({"json": {"choice": "ship"}}, 400),
    ({"data": b"\xff\xfe\0", "content_type": "application/x-www-form-urlencoded"}, 400),
    ({"data": b"choice=ship", "content_type": "multipart/form-data"}, 400),
    ({"data": b"--x\r\nbroken", "content_type": "multipart/form-data; boundary=x"}, 400),
    ({"data": {"choice": "ship", "comparison": "x" * 100_000}}, 413),
    ({"data": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n" * 60 + b"--x--",
      "content_type": "multipart/form-data; boundary=x"}, 413),
]  # fmt: skip


def test_a_body_that_is_no_vote_is_refused_in_words(client, catalogue):
    for body, status in BAD:
        page = client.post("/tools/quillmate/vote", headers={"Accept": "text/html"}, **body)
        told = client.post("/tools/quillmate/vote", headers={"Accept": "application/json"}, **body)
        assert (page.status_code, told.status_code) == (status, status), body
        assert f"Error {status}" in page.text
        assert told.json["advice"]
    assert cast_votes() == set()


def test_a_vote_for_an_unknown_tool_is_not_counted(client, catalogue):
    assert press(client, "ship", tool="nothing").status_code == 404
    assert press(client, "ship", tool="%00").status_code in (400, 404)
    assert client.get("/tools/quillmate/vote").status_code == 405
    assert cast_votes() == set()


# ---- sent from another site ---------------------------------------------------------------------------------

REFUSED = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://www.localhost"},
]
TAKEN = [
    {},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:8000"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "none"},
]


def test_another_site_cannot_vote_in_the_readers_name(client, catalogue):
    for headers in REFUSED:
        answer = press(client, "ship", **headers)
        assert answer.status_code == 403, headers
        assert "another site" in answer.text
    assert cast_votes() == set()


def test_our_own_forms_are_taken(client, catalogue):
    for headers in TAKEN:
        assert press(client, "ship", **headers).status_code == 303, headers


# ---- from a letter ------------------------------------------------------------------------------------------


def test_the_letters_link_asks_and_one_press_votes(client, catalogue, active, link):
    path = link("vote", active("alice@reader.example")) + "?tool=quillmate&choice=ship"
    asks = client.get(path)
    assert "Ship Quillmate?" in asks.text
    assert asks.text.count("<button") == 1
    assert "You haven’t voted on Quillmate yet." in asks.text
    assert cast_votes() == set()
    done = client.post(path, headers={"Origin": "null"})
    assert done.status_code == 200
    assert "Counted: your vote on Quillmate is ship." in done.text
    assert "<button" not in done.text
    assert cast_votes() == {("subscriber", "ship")}
    assert "Counted: your vote on Quillmate is ship." in client.get(path).text
    assert "It replaces your earlier vote, ship." in client.get(path.replace("=ship", "=skip")).text


def test_the_page_names_the_letter_its_link_stood_in(client, catalogue, active, link):
    page = client.get(link("vote", active("alice@reader.example")) + "?tool=quillmate&choice=ship").text
    assert "From your letter 2026-W47" in page


def holding(tool_ids, content=None):
    """Let the digest of `link("vote", …)` hold these tools alone."""
    with writing() as session:
        digest = digests.by_slot(session, "2026-W47")
        digest.tool_ids, digest.content = tool_ids, content


def test_a_link_votes_on_the_tools_of_its_own_letter_alone(client, catalogue, active, link):
    path = link("vote", active("alice@reader.example"))
    holding([catalogue.inkwell, 0])
    for ask in (client.get, client.post):
        answer = ask(f"{path}?tool=quillmate&choice=ship")
        assert answer.status_code == 404
        assert "That letter didn’t ask about Quillmate" in answer.text
        assert "no vote was counted. You can still vote on our site." in answer.text
        assert f'href="{PAGE}#quillmate">Vote on Quillmate</a>' in answer.text
        assert "<button" not in answer.text
    assert cast_votes() == set()
    assert "Counted" in client.post(f"{path}?tool=inkwell&choice=skip").text
    assert cast_votes() == {("subscriber", "skip")}


def test_a_letter_of_an_older_release_is_known_by_its_content(client, catalogue, active, link):
    path = link("vote", active("alice@reader.example"))
    [first, *_] = WEEK.comparisons
    quillmate, inkwell = (replace(first.tools[0], slug=slug) for slug in ("quillmate", "inkwell"))
    content = replace(WEEK, comparisons=(replace(first, tools=(quillmate, inkwell)),)).as_json()
    holding(None, content)
    assert client.post(f"{path}?tool=quillmate&choice=ship").status_code == 200
    assert client.post(f"{path}?tool=patchbay&choice=ship").status_code == 404
    holding(None, {})
    assert client.post(f"{path}?tool=quillmate&choice=skip").status_code == 404
    assert cast_votes() == {("subscriber", "ship")}


def test_a_link_without_a_delivery_or_with_somebody_elses_does_not_vote(client, catalogue, active, link):
    """The numbers of deliveries are given once more after a back-up was restored."""
    alice, bob = active("alice@reader.example"), active("bob@reader.example")
    theirs = mailed_links.delivered_to(bob)
    for delivery in (0, 4711, theirs):
        for ask in (client.get, client.post):
            answer = ask(link("vote", alice, delivery) + "?tool=quillmate&choice=ship")
            assert answer.status_code == 410
            assert "This link has expired" in answer.text
    assert cast_votes() == set()


def test_only_an_active_subscribers_vote_counts(client, catalogue, active, asked, link):
    alice = active("alice@reader.example")
    with writing() as session:
        subscriptions.leave(session, alice, "page", datetime.now(UTC))
    query = "?tool=quillmate&choice=ship"
    assert "no longer subscribed" in client.get(link("vote", alice) + query).text
    assert client.post(link("vote", alice) + query).status_code == 409
    assert client.post(link("vote", 4711) + query).status_code == 409
    assert cast_votes() == set()


DAMAGED = {
    "": 404,
    "?tool=nothing&choice=ship": 404,
    "?tool=%00&choice=ship": 404,
    "?tool=quillmate": 400,
    "?tool=quillmate&choice=both": 400,
    "?choice=ship&tool=" + "x" * 20000: 404,
}


def test_a_damaged_vote_link_says_so(client, catalogue, active, link):
    path = link("vote", active("alice@reader.example"))
    for query, status in DAMAGED.items():
        for answer in (client.get(path + query), client.post(path + query)):
            assert answer.status_code == status, query
            assert "whole link" in answer.text
            assert 'aria-label="Site"' not in answer.text


CHANGED = [
    "?tool=quillmate&choice=ship.", "?tool=quillmate&choice=ship)", "?tool=quillmate&choice=ship%3E",
    "?tool=quillmate&choice=ship%E2%80%A6", "?tool=quillmate&choice=ship&utm_source=digest&fbclid=x",
    "?tool=quillmate&amp;choice=ship", "?tool=3Dquillmate&choice=3Dship", "./?choice=ship&tool=quillmate",
]  # fmt: skip


def test_a_vote_link_works_as_mail_programs_change_it(client, catalogue, active, link):
    path = link("vote", active("alice@reader.example"))
    for changed in CHANGED:
        asks = client.get(path + changed)
        assert (asks.status_code, "Ship Quillmate?" in asks.text) == (200, True), changed
        assert f'action="{path}?tool=quillmate&amp;choice=ship"' in asks.text, "the button sends the link as it was"


def test_a_vote_link_that_lost_its_end_leads_to_where_one_can_vote(client, catalogue, active, link):
    page = client.get(link("vote", active("alice@reader.example")) + "?tool=quillmate&choice=shi")
    assert page.status_code == 400
    assert "This link is incomplete" in page.text
    assert "neither ship nor skip, so no vote was counted" in page.text
    assert f'href="{PAGE}#quillmate">Vote on Quillmate</a>' in page.text


def test_a_token_made_for_leaving_does_not_vote(client, catalogue, active, link):
    token = link("unsubscribe", active("alice@reader.example")).rpartition("/")[2]
    path = f"/vote/{token}?tool=quillmate&choice=ship"
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404
    assert cast_votes() == set()


# ---- how it is answered ----------------------------------------------------------------------------------------


def test_a_vote_is_answered_by_a_redirect_without_a_page_and_with_every_header_of_the_site(client, catalogue):
    answer = press(client, "ship")
    assert (answer.status, answer.data) == ("303 SEE OTHER", b"")
    assert answer.headers["Location"] == PAGE + "#quillmate"
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Cookie", "private, no-cache")
    page = client.get("/archive").headers
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"):
        assert answer.headers[name] == page[name]


def test_how_a_client_likes_its_answers_is_remembered_only_if_it_says_so_in_few_words(client, catalogue):
    errors._prefers_json.cache_clear()
    for _ in range(2):
        assert press(client, "ship", Accept="application/json, text/html;q=0.9").is_json
        assert not press(client, "ship", Accept="text/html, application/json;q=0.9").is_json
        assert press(client, "ship", Accept="application/json" + ", text/plain;q=0.1" * 50).is_json
    assert errors._prefers_json.cache_info().currsize == 2
