"""What readers find on the pages, from an empty catalogue to names of every kind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from db.digests import catalog, digests
from db.session import writing
from db.votes import tallies, votes
from emails import letters
from emails.letters import ComparisonPart, DigestContent, Mover, Quote, Score, ToolPart

AT = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)


def put_tool(slug, name, **more):
    fields = {
        "category": "Writing",
        "tagline": "A line",
        "entry": "Free",
        "url": "https://x.example",
        "summary": "Sum.",
    }
    with writing() as session:
        catalog.put_tool(session, slug, fields | {"name": name} | more, [])


def put_comparison(a, b, at, slug=None):
    with writing() as session:
        catalog.put_comparison(session, slug or f"{a}-vs-{b}", (a, b), "Which?", at, at)


def test_an_empty_site_says_so_and_offers_the_letter(client):
    home = client.get("/")
    assert home.status_code == 200
    assert "Nothing to" in home.text
    assert 'name="email"' in home.text
    assert client.get("/archive").status_code == 200
    assert "/digests/" not in home.text


def test_a_comparison_shows_both_tools_with_their_figures(client, catalogue):
    page = client.get("/compare/quillmate-vs-inkwell").text
    assert "Which one writes?" in page
    assert page.count('<span class="n">') == 2  # both panels; nobody has voted
    assert "100<small>%</small>" in page
    assert "50<small>%</small>" in page
    assert page.count("No votes yet") == 6  # for each tool: under its figure, for screen readers, and as its trend
    assert "“It made up my aunt.”" in page
    assert "You haven’t voted yet." in page
    assert "0%</b>" not in page.replace("100%</b>", "").replace("50%</b>", "")


def test_a_tool_without_a_review_or_comparison_has_a_page(client, catalogue):
    page = client.get("/tools/patchbay").text
    assert page.count("No reviews yet") == 2
    assert "hasn’t been compared with another tool yet" in page


def test_a_tool_lists_the_comparisons_it_stands_in(client, catalogue):
    assert "/compare/quillmate-vs-inkwell" in client.get("/tools/inkwell").text


def test_what_is_not_published_yet_is_not_there(client, catalogue):
    put_comparison("quillmate", "patchbay", datetime.now(UTC) + timedelta(days=1))
    assert client.get("/compare/quillmate-vs-patchbay").status_code == 404
    assert "patchbay" not in client.get("/").text + client.get("/archive").text + client.get("/tools/quillmate").text


def test_home_has_the_latest_first_and_the_archive_the_rest(client, catalogue):
    now = datetime.now(UTC)
    for n in range(25):
        put_comparison("quillmate", "patchbay", now - timedelta(days=100 + n), slug=f"old-{n}")
    home = client.get("/").text
    assert home.index("/compare/quillmate-vs-inkwell") < home.index("/compare/old-0")
    assert 'href="/archive"' in home
    first, second = client.get("/archive").text, client.get("/archive?page=2").text
    assert "26 comparisons" in first
    assert 'rel="next"' in first
    assert "/compare/old-24" not in first
    assert "/compare/old-24" in second


def test_the_archive_has_no_such_page(client):
    for page in ("0", "-1", "2", "x", "٣", "9" * 400, "1 OR 1", "", "1\0"):
        answer = client.get("/archive", query_string={"page": page})
        assert answer.status_code == 404, page
        assert "archive" in answer.text.lower()


HARD_NAMES = [
    "<script>alert(1)</script>",
    "</script><!--",
    "🎉" * 300,
    "مساعد البرمجة",
    "\u202eevil",
    "A" * 400,
    "{{ 7*7 }}",
    'O\'Neil & "Sons"',
]


def test_names_of_every_kind_are_shown_as_text(client, catalogue):
    put_tool("hard", "A name")
    put_comparison("hard", "inkwell", datetime.now(UTC) - timedelta(hours=1))
    for name in HARD_NAMES:
        put_tool("hard", name, tagline=name, summary=name, entry=name[:40])
        for path in ("/", "/archive", "/compare/hard-vs-inkwell", "/tools/hard"):
            page = client.get(path)
            assert page.status_code == 200
            assert "<script>alert" not in page.text
            assert "</script><!--" not in page.text
            assert ">49<" not in page.text


def test_an_unknown_address_says_what_to_do(client, catalogue):
    for path in ("/compare/nothing", "/tools/nothing", "/digests/2026-W01", "/digests/never", "/nothing"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "archive" in answer.text
        assert "Error 404" in answer.text


def test_the_trend_ends_at_the_figure_beside_it(client, catalogue):
    with writing() as session:
        votes.cast(session, votes.new_voter(), catalogue.quillmate, "ship", AT - timedelta(weeks=3))
        tallies.fold(session, AT - timedelta(weeks=3))
    client.post("/tools/quillmate/vote", data={"choice": "skip"})
    page = client.get("/tools/quillmate").text
    assert "50%<small>from 100%</small>" in page


def content():
    tools = tuple(
        ToolPart(slug, name, "Writing", "A line", "Free", Score(3, 1), Score(*votes_),
                 Quote("The Builder", "ship", "Good."), None)
        for slug, name, votes_ in (("quillmate", "Quillmate", (1500, 500)), ("inkwell", "Inkwell", (0, 0)))
    )  # fmt: skip
    part = ComparisonPart("quillmate-vs-inkwell", "Which one writes?", tools, 4)
    return DigestContent("2026-W47", AT, AT - timedelta(minutes=30), (part,), (Mover("inkwell", "Inkwell", 70, 58),))


def put_digest(**more):
    with writing() as session:
        session.add(digests.Digest(slot="2026-W47", due_at=AT, opened_at=AT, content=content().as_json(), **more))


def test_a_past_digest_shows_the_figures_it_froze(client, catalogue):
    put_digest(state="finished", frozen_at=AT, cutoff=AT)
    page = client.get("/digests/2026-W47").text
    assert "1,500 ship" in page
    assert "75<small>%</small>" in page
    assert "Tuesday 17 November 2026, 08:30 UTC" in page
    assert "70% to 58%" in page
    assert "down 12" in page
    assert "Read all four reviews" in page
    assert "/digests/2026-W47" in client.get("/").text


def test_a_past_digest_tells_the_letters_facts_with_its_zone_and_zeros(client, catalogue, setting):
    tools = [replace(tool, community=Score(3, 0)) for tool in content().comparisons[0].tools]
    part = replace(content().comparisons[0], tools=tuple(tools))
    frozen = datetime(2026, 11, 17, 0, 29, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    told = replace(content(), cutoff=frozen, comparisons=(part,), last_week=part, last_slot="2026-W46")
    with writing() as session:
        session.add(digests.Digest(slot="2026-W47", due_at=AT, opened_at=AT, content=told.as_json(), state="finished",
                                   frozen_at=AT, cutoff=AT))  # fmt: skip
    setting(DIGEST_TIMEZONE="America/New_York")  # since then
    page = client.get("/digests/2026-W47").text
    letter = letters.digest(told, letters.Site("Verdicts", "https://verdicts.example", ""))
    assert "Digest of 17 November 2026" in page
    assert "Votes counted up to Tuesday 17 November 2026, 00:29 UTC+5:45" in letter.text
    assert "Tuesday 17 November 2026, 00:29 UTC+5:45" in page
    assert "3 ship, 0 skip" in letter.text
    assert page.count("0 skip") == 2
    said = "Readers would ship both: Quillmate (3 of 3) and Inkwell (3 of 3)."
    assert said in letter.text.replace("\n", " ")
    assert said in page
    assert "Last week’s result" in page


def test_a_draft_is_not_shown(client, catalogue):
    put_digest(state="draft")
    assert client.get("/digests/2026-W47").status_code == 404
    assert "/digests/" not in client.get("/").text


def test_error_pages_say_what_happened_in_words_that_every_reader_knows(client):
    assert "Page not found" in client.get("/nothing-here").text
    assert "This page can’t be opened directly" in client.get("/tools/quillmate/vote").text
    assert "This link is incomplete" in client.get("/confirm/cut").text
