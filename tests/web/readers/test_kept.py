"""Pages are kept as long as nothing they show has changed, for readers without votes, in bounded memory."""

import gzip
import re
from datetime import timedelta

import pytest

from db.digests import catalog, shown
from db.session import reading, writing
from db.votes import tallies, votes
from tests.conftest import START
from tests.web.readers.test_pages import put_comparison
from web.readers import answers, pages, watch
from web.readers.kept import Copy, Known, Store
from web.readers.places import Pieces

PATH = "/compare/quillmate-vs-inkwell"
ASKS = {"Accept-Encoding": "gzip"}


@pytest.fixture
def store(client) -> Store:
    """The pages that this process keeps; `watch.look(store)` is what its thread does once a second."""
    return answers.store_of(client.application)


@pytest.fixture
def asked(monkeypatch):
    """How often a comparison was looked up in the database."""
    seen: list[str] = []
    known = shown.comparison

    def counted(session, slug, now):
        seen.append(slug)
        return known(session, slug, now)

    monkeypatch.setattr(pages.shown, "comparison", counted)
    return seen


def fold():
    with writing() as session:
        tallies.fold(session, START)


def vote(tool_id, choice="ship"):
    with writing() as session:
        votes.cast(session, votes.new_voter(), tool_id, choice, START)


def figures(page: str) -> list[str]:
    return re.findall(r'<span class="n">(\d+)<small>', page)


def test_a_page_is_rendered_once_for_all_readers(client, catalogue, store, asked):
    watch.look(store)
    first = client.get(PATH)
    assert [client.get(PATH).data for _ in range(3)] == [first.data] * 3
    assert len(asked) == 1
    assert client.get(PATH).headers.to_wsgi_list().sort() == first.headers.to_wsgi_list().sort()


def test_without_the_watch_nothing_is_kept(client, catalogue, asked):
    client.get(PATH)
    client.get(PATH)
    assert len(asked) == 2


def test_votes_show_once_they_are_folded_and_the_watch_has_looked(client, catalogue, store):
    watch.look(store)
    assert figures(client.get(PATH).text) == ["100", "50"]
    vote(catalogue.quillmate)
    fold()
    watch.look(store)
    assert figures(client.get(PATH).text) == ["100", "100", "50"]


def test_after_a_fold_figures_alone_are_asked_anew_and_the_page_is_the_one_rendered_whole(
    client, catalogue, store, asked, clock
):
    paths = (PATH, "/tools/quillmate", "/", "/archive", "/subscribe")
    watch.look(store)
    for path in paths:
        client.get(path)
    vote(catalogue.quillmate)
    fold()
    clock.forward(hours=1)
    vote(catalogue.quillmate, "skip")
    vote(catalogue.inkwell, "skip")
    fold()
    watch.look(store)
    after = {path: client.get(path).data for path in paths}
    assert len(asked) == 1
    assert figures(after[PATH].decode()) == ["100", "50", "50", "0"]
    assert b'"aggregateRating": {"@type": "AggregateRating"' in after[PATH]
    store.forget()
    assert {path: client.get(path).data for path in paths} == after


def test_a_week_later_the_trend_of_a_kept_page_has_moved(client, catalogue, store, clock):
    watch.look(store)
    client.get(PATH)
    vote(catalogue.quillmate)
    fold()
    with writing() as session:
        votes.cast(session, "anonymous:late", catalogue.quillmate, "skip", clock.forward(days=7))
        tallies.fold(session, clock.now)
    watch.look(store)
    assert "from 100%" in client.get(PATH).text


def test_new_content_shows(client, catalogue, store):
    watch.look(store)
    assert "Another lens" not in client.get(PATH).text
    with writing() as session:
        catalog.put_reviewer(session, "The Builder", "Another lens")
    watch.look(store)
    assert "Another lens" in client.get(PATH).text


def test_a_comparison_appears_by_the_clock_alone(client, catalogue, store, clock):
    with writing() as session:
        later = START + timedelta(minutes=5)
        catalog.put_comparison(session, "later", ("quillmate", "patchbay"), "Which?", later, START)
    watch.look(store)
    assert "/compare/later" not in client.get("/").text
    clock.forward(minutes=5)
    watch.look(store)
    assert "/compare/later" in client.get("/").text


def test_a_new_day_or_another_setting_is_another_version(client, catalogue, clock, setting):
    first = watch.version()
    assert watch.version() == first
    clock.forward(hours=15, minutes=59)
    assert watch.version() == first
    clock.forward(minutes=1)
    second = watch.version()
    assert second != first
    setting(SITE_NAME="Another name")
    third = watch.version()
    setting(SITE_NAME="Another name", DIGEST_TIMEZONE="Europe/Madrid")
    assert len({first, second, third, watch.version()}) == 4


def test_a_page_whose_questions_began_before_a_change_is_not_kept_for_the_version_after_it(
    client, catalogue, store, monkeypatch
):
    watch.look(store)
    known = shown.comparison

    def slow(session, slug, now):
        found = known(session, slug, now)
        vote(catalogue.quillmate)
        fold()
        watch.look(store)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(pages.shown, "comparison", slow)
        client.get(PATH)
    assert figures(client.get(PATH).text) == ["100", "100", "50"]


# ---- the reader's own votes --------------------------------------------------------------------------------


def test_a_vote_shows_to_its_voter_at_once_and_to_nobody_else(client, catalogue, store, asked):
    watch.look(store)
    before = client.get(PATH).data
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    own = client.get(PATH)
    assert "you said ship" in own.text
    assert figures(own.text) == ["100", "50", "100"]
    assert own.headers["Cache-Control"] == "private, no-cache"
    assert client.application.test_client().get(PATH).data == before
    assert len(asked) == 1  # and the page was not rendered anew


def test_a_vote_neither_vanishes_nor_counts_twice_between_the_fold_and_the_next_look(client, catalogue, store):
    watch.look(store)
    client.get(PATH)
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    before = client.get(PATH).text
    fold()
    assert client.get(PATH).text == before
    watch.look(store)
    assert figures(client.get(PATH).text) == figures(before)
    client.post("/tools/inkwell/vote", data={"choice": "withdraw"})
    assert figures(client.get(PATH).text) == ["100", "50"]


def test_own_votes_show_wherever_the_tool_stands(client, catalogue, store):
    watch.look(store)
    shared = {path: client.get(path).text for path in ("/", "/archive", "/tools/inkwell", PATH)}
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    for path, page in shared.items():
        assert client.get(path).text.count("100") > page.count("100"), path


def test_a_kept_page_with_votes_is_the_page_rendered_whole(client, catalogue, store):
    for tool in ("quillmate", "inkwell"):
        client.post(f"/tools/{tool}/vote", data={"choice": "ship"})
    whole = {path: client.get(path).data for path in ("/", "/archive", "/tools/inkwell", PATH)}
    watch.look(store)
    for path, page in whole.items():
        assert [client.get(path).data for _ in range(2)] == [page] * 2


def test_two_voters_and_a_stranger_a_thousand_times(client, catalogue, store):
    """Whoever asks, in whatever order, compressed or not, sees their own votes and nobody else's."""
    alice, bob, stranger = client, client.application.test_client(), client.application.test_client()
    watch.look(store)
    alice.post("/tools/inkwell/vote", data={"choice": "ship"})
    bob.post("/tools/inkwell/vote", data={"choice": "skip"})
    says = ((alice, "you said ship"), (stranger, None), (bob, "you said skip"), (stranger, None))
    for turn in range(1000):
        who, said = says[turn % 4]
        coding = ("gzip", "identity")[turn // 4 % 2]
        answer = who.get(("/tools/inkwell", PATH)[turn // 8 % 2], headers={"Accept-Encoding": coding})
        body = gzip.decompress(answer.data) if coding == "gzip" else answer.data
        assert re.findall(rb"you said \w+", body) == ([said.encode()] if said else [])
        assert ("public" in answer.headers["Cache-Control"]) is (who is stranger)


# ---- copies that readers have already ------------------------------------------------------------------------


def test_each_coding_has_its_own_etag_and_says_that_it_varies(client, catalogue, store):
    watch.look(store)
    plain, packed = client.get(PATH), client.get(PATH, headers=ASKS)
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding, Cookie"


@pytest.mark.parametrize("given", ["{}", "W/{}", '"x", W/{} , "y"', "*"])
def test_a_reader_who_has_the_page_gets_304(client, catalogue, store, given):
    watch.look(store)
    for _ in range(2):  # rendered, and kept
        first = client.get(PATH, headers=ASKS)
    again = client.get(PATH, headers=ASKS | {"If-None-Match": given.format(first.headers["ETag"])})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


def test_nobody_has_a_page_by_the_etag_of_another_one(client, catalogue, store):
    watch.look(store)
    etag = client.get(PATH, headers=ASKS).headers["ETag"]
    had = ASKS | {"If-None-Match": f'"x", W/{etag}'}
    for missing in ("/compare/nothing", "/tools/nothing", "/digests/nothing", "/archive?page=9", "/archive?page=x"):
        assert client.get(missing, headers=had).status_code == 404, missing
    assert client.get("/tools/quillmate", headers=had).status_code == 200
    assert client.get(PATH, headers=had).status_code == 304


def test_another_coding_or_version_is_another_page(client, catalogue, store):
    watch.look(store)
    etag = client.get(PATH, headers=ASKS).headers["ETag"]
    assert client.get(PATH, headers={"If-None-Match": etag}).status_code == 200
    vote(catalogue.inkwell)
    fold()
    watch.look(store)
    assert client.get(PATH, headers=ASKS | {"If-None-Match": etag}).status_code == 200


def test_304_is_told_from_the_version_alone(client, catalogue, store, asked):
    watch.look(store)
    etag = client.get(PATH).headers["ETag"]
    known = store.known
    store.forget()
    store.confirm(known)
    assert client.get(PATH, headers={"If-None-Match": etag}).status_code == 304
    assert len(asked) == 1


def test_whoever_had_the_page_before_their_vote_gets_the_one_with_it(client, catalogue, store):
    watch.look(store)
    etag = client.get(PATH).headers["ETag"]
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    own = client.get(PATH, headers={"If-None-Match": etag})
    assert "you said ship" in own.text
    assert client.get(PATH, headers={"If-None-Match": own.headers["ETag"]}).status_code == 304
    client.post("/tools/inkwell/vote", data={"choice": "skip"})
    assert "you said skip" in client.get(PATH, headers={"If-None-Match": own.headers["ETag"]}).text


def test_head_tells_what_get_would(client, catalogue, store):
    watch.look(store)
    for _ in range(2):
        got, head = client.get(PATH, headers=ASKS), client.head(PATH, headers=ASKS)
    assert head.data == b""
    assert dict(head.headers) == dict(got.headers)


# ---- what is never kept --------------------------------------------------------------------------------------


def test_pages_with_a_token_or_for_operators_are_neither_kept_nor_compressed(client, catalogue, store, link):
    watch.look(store)
    for path in ("/operator/login", "/operator", link("confirm", 1), link("vote", 1), "/outbox", "/nothing", "/readyz"):
        for _ in range(2):
            answer = client.get(path, headers=ASKS)
            assert "Content-Encoding" not in answer.headers, path
            assert "public" not in answer.headers.get("Cache-Control", ""), path
    assert not store.copies


def test_no_kept_answer_sets_a_cookie(client, catalogue, store):
    watch.look(store)
    for path in ("/", "/archive", PATH, "/tools/inkwell", "/subscribe"):
        for _ in range(2):
            assert "Set-Cookie" not in client.get(path).headers
    assert len(store.copies) == 5


def test_nobody_puts_another_page_under_the_address_of_the_archive(client, catalogue, store):
    """Names of parameters may be percent-encoded, and so may the question mark, which then is a part of the path."""
    for number in range(25):
        put_comparison("quillmate", "patchbay", START - timedelta(days=100 + number), slug=f"old-{number}")
    shown_first = client.get("/archive").data
    watch.look(store)
    for odd in ("%70age=2", "p%61ge=2", "x=1&pag%65=2", "%70%61%67%65=2&page=1"):
        assert "/compare/old-24" in client.get(f"/archive?{odd}").text, odd
    assert client.get("/archive").data == client.get("/archive?x").data == shown_first
    assert client.get("/archive?page=2").status_code == 200
    assert client.get("/archive%3Fpage=2").status_code == 404


# ---- the memory ----------------------------------------------------------------------------------------------


def test_parameters_that_no_page_knows_fill_no_memory(client, catalogue, store):
    watch.look(store)
    for number in range(50):
        client.get(f"{PATH}?utm_source={number}")
        client.get(f"/archive?page=1&x={number}")
        client.get(f"/archive?page={'0' * (number % 5)}1")
    assert len(store.copies) == 2


def test_ten_thousand_comparisons_take_no_more_memory_than_is_given():
    store = Store(most_bytes=1_000_000)
    store.confirm(Known("first", "content"))
    known = store.known
    for number in range(10_000):
        store.keep(known, f"/compare/{number}", Copy.of(Pieces((b"x" * 18_000,))))
        store.get(known, "/compare/0")
    assert store.bytes <= 1_000_000
    assert sum(copy.size for copy in store.copies.values()) == store.bytes
    assert "/compare/0" in store.copies  # whatever is read stays
    assert "/compare/1" not in store.copies
    store.keep(known, "/huge", Copy.of(Pieces((b"x" * 1_000_000,))))
    assert "/huge" not in store.copies


# ---- when the database does not answer -------------------------------------------------------------------------


def test_kept_pages_are_shown_on_while_the_database_does_not_answer(client, catalogue, store, monkeypatch):
    watch.look(store)
    page = client.get(PATH).data

    def gone(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(watch, "reading", gone)
    assert watch.look(store)
    assert client.get(PATH).data == page
    monkeypatch.setattr("web.readers.kept.TRUSTED_SECONDS", -1.0)
    with reading() as _:
        store.confirm(store.known)
    assert store.known is None


def test_a_release_that_may_not_show_the_database_shows_nothing_kept(client, catalogue, store, monkeypatch):
    watch.look(store)
    client.get(PATH)

    def refused():
        raise watch.WrongSchema("of a later release")

    monkeypatch.setattr(watch.schema, "check", refused)
    watch.look(store)
    assert store.known is None
    assert client.get(PATH).status_code == 503
