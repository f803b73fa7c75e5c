"""Content files: all or nothing, repeatable, and every fault named with its file, line and field."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from db.digests import catalog
from db.session import reading, writing
from web.actions.content import content_files, content_import
from web.actions.content.content_files import BadContent
from web.cli import main

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)

GOOD = """\
reviewers:
  - name: The Builder
    lens: Does it hold up?
tools:
  - slug: larkspur
    name: Larkspur
    category: Developer Tools
    tagline: Reads the whole repository
    entry: Freemium
    url: https://larkspur.example
    summary: It indexes a repository.
    reviews:
      - reviewer: The Builder
        verdict: ship
        quote: It flagged a caller.
  - slug: second-pair
    name: Second Pair
    category: Developer Tools
    tagline: Pairs with you
    entry: Paid
    url: https://second-pair.example
    summary: It sits in the editor.
comparisons:
  - tools: [larkspur, second-pair]
    question: Which one?
"""


def load(*texts: str, at: datetime = NOW) -> dict[str, dict[str, int]]:
    paths = []
    for number, written in enumerate(texts, 1):
        paths.append(Path(f"file-{number}.yaml"))
        paths[-1].write_text(written)
    files = content_files.read_files(paths)
    with writing() as session:
        return content_import.load(session, files, at)


def faults(*texts: str) -> list[str]:
    with pytest.raises(BadContent) as bad:
        load(*texts)
    with reading() as session:
        for table in ("reviewers", "tools", "comparisons", "jobs"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, f"{table} were half done"
    return bad.value.problems


def change(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.fixture(autouse=True)
def _ground(sqlite):
    pass


def test_a_file_is_loaded_once_and_loaded_again_changes_nothing():
    assert load(GOOD) == {"reviewers": {"added": 1}, "tools": {"added": 2}, "comparisons": {"added": 1}}
    assert load(GOOD) == {"reviewers": {"unchanged": 1}, "tools": {"unchanged": 2}, "comparisons": {"unchanged": 1}}
    with reading() as session:
        found = catalog.comparison(session, "larkspur-vs-second-pair", NOW)
        assert found is not None
        assert (found.heading, found.a.panel, found.b.panel) == ("Larkspur vs Second Pair", (1, 0), (0, 0))


def test_a_second_file_updates_a_tool_by_its_slug_and_takes_reviews_away():
    load(GOOD)
    changed = change("name: Larkspur", "name: Larkspur Two").replace("verdict: ship", "verdict: skip")
    assert load(changed)["tools"] == {"changed": 1, "unchanged": 1}
    with reading() as session:
        tool = catalog.tool(session, "larkspur")
        assert tool is not None
        assert (tool.name, tool.panel) == ("Larkspur Two", (0, 1))


def test_a_publication_keeps_its_moment_when_it_is_imported_again():
    load(GOOD)
    load(GOOD, at=NOW.replace(year=2027))
    with reading() as session:
        assert catalog.comparison(session, "larkspur-vs-second-pair", NOW).publish_at == NOW


def test_a_moment_without_a_zone_is_meant_in_the_newsletters(setting):
    setting(DIGEST_TIMEZONE="Europe/Berlin")
    load(GOOD + "    publish_at: 2026-11-20 09:00:00\n")
    with reading() as session:
        assert catalog.comparison(session, "larkspur-vs-second-pair", NOW) is None
        due = datetime(2026, 11, 20, 8, tzinfo=UTC)
        assert catalog.comparison(session, "larkspur-vs-second-pair", due).publish_at == due


def test_files_are_seen_together_and_fall_together():
    tools, rest = GOOD.split("comparisons:")
    assert load("comparisons:" + rest, tools)["comparisons"] == {"added": 1}


def test_one_bad_file_among_good_ones_leaves_nothing():
    assert faults(GOOD, "tools: 3\n") == [
        "file-2.yaml:1: tools must be a list, each entry on a line that begins with a dash"
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("entry: Freemium", "entry: Freemium\n    colour: red", 10, "tools 1 colour is not known here"),
        ("    tagline: Reads the whole repository\n", "", 5, "tools 1 tagline is missing"),
        ("        verdict: ship\n", "", 13, "tools 1 reviews 1 verdict is missing"),
        ("verdict: ship", "verdict: maybe", 14, "verdict must be ship or skip"),
        ("question: Which one?", "question: Which one?\n    archive: maybe", 26, "archive must be true or false"),
        ("reviewer: The Builder", "reviewer: The Nobody", 13, "whom no list of reviewers names"),
        ("slug: second-pair", "slug: larkspur", 16, "tools 2 has the slug 'larkspur' again; it was first given at"),
        ("[larkspur, second-pair]", "[larkspur, nobody]", 24, "is 'nobody', a tool that is not there"),
        ("[larkspur, second-pair]", "[larkspur, larkspur]", 24, "names the same tool twice"),
        ("[larkspur, second-pair]", "[larkspur]", 24, "must name exactly two tools"),
        ("https://larkspur.example", "javascript:alert(1)", 10, "url is no web address"),
        ("https://larkspur.example", "'https://a.example/\"><script>'", 10, "url is no web address"),
        ("It flagged a caller.", '"a\\x07b"', 15, "holds the control character U+0007"),
        ("It flagged a caller.", '"  "', 15, "quote is empty"),
        ("It flagged a caller.", '"a\\u2028b"', 15, "holds the control character U+2028"),
        ("name: Larkspur", "name: 4", 6, "name must be text; put it in quotes"),
        ("slug: larkspur", "slug: ../larkspur", 5, "lower-case letters, digits and single hyphens"),
        ("question: Which one?", "question: Which one?\n    publish_at: soon", 26, "publish_at is no date"),
        ("    reviews:\n", "    reviews: x\n    other:\n", 12, "must be a list"),
    ],
)
def test_each_fault_is_named_with_its_line_and_field(old, new, line, said):
    found = faults(change(old, new))
    assert any(each.startswith(f"file-1.yaml:{line}: ") and said in each for each in found), found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("tools: [\n", "file-1.yaml:2: is no valid YAML"),
        ("tools:\n  - slug: a\n    slug: b\n", "file-1.yaml:3: has the key 'slug' twice"),
        ("- a\n", "must have fields of its own"),
        ("a: &x [1]\ntools: *x\n", "uses an alias"),
        ("tools: !!python/object:os.system {}\n", "tools must be a list"),
        ("? [a, b]\n: c\n", "has a key that is no word"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply"),
        ("a: 1\nb: 2026-13-45\n", "file-1.yaml:2: b is no valid YAML: month must be in 1..12"),
        ("comparisons:\n- publish_at: 0001-01-01T00:00:00+14:00\n", "file-1.yaml:2: comparisons 1 publish_at"),
        ("comparisons:\n- publish_at: '9999-12-31T23:59:59-14:00'\n", "comparisons 1 publish_at lies beyond the years"),
        ('reviewers:\n- {name: "\\u200b", lens: x}\n', "reviewers 1 name is empty"),
        ("a: b\x07\n", "holds the control character U+0007"),
        ("a: 1\n---\nb: 2\n", "is no valid YAML"),
        ("", None),
    ],
)
def test_what_is_no_content_is_refused_in_words(written, said):
    if said is None:
        assert load(written) == {"reviewers": {}, "tools": {}, "comparisons": {}}
    else:
        assert any(said in each for each in faults(written)), faults(written)


def test_a_field_of_ten_megabytes_is_refused_by_its_length():
    found = faults(change("It flagged a caller.", "x" * 10_000_000))
    assert found == ["file-1.yaml:15: tools 1 reviews 1 quote is longer than 6000 characters"]


def test_text_that_is_no_utf8_and_files_that_are_not_there(house):
    (house / "latin.yaml").write_bytes(b"tools:\n  - name: Caf\xe9\n")
    for name, said in (("latin.yaml", "latin.yaml:2: is not UTF-8"), ("none.yaml", "none.yaml: cannot be read")):
        done = CliRunner().invoke(main, ["import", name])
        assert done.exit_code == 1
        assert said in done.output
        assert "Traceback" not in done.output


def test_what_may_look_odd_and_is_harmless_is_kept_as_text():
    odd = "<script>alert(1)</script> " + "😀" * 300 + " שלום"
    load(change("It flagged a caller.", f"'{odd}\u202e'"))
    with reading() as session:
        tool = catalog.tool(session, "larkspur")
        assert tool is not None
        assert tool.reviews[0].quote == odd, "all of it but the override of direction"
