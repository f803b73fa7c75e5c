"""Catalogues made at random within what content files may hold: any script, endless words, names as long as allowed."""

import random
from dataclasses import replace

from emails.letters import ComparisonPart, DigestContent, Quote, Score, ToolPart
from tests.emails.people import TOLD

WORDS = {
    "latin": "It reads the whole repository before anybody asks and answers in the words of your own team",
    "capitals": "ENTERPRISE WORKFLOW WAREHOUSE MAMMOTH WWW @@@@ MWMW",
    "endless": " ".join(each * 120 for each in "Wmx@"),
    "chinese": "这个工具在同事之前 阅读你的合并请求 并写下意见",
    "korean": "코드 리뷰를 동료보다 먼저 읽습니다",
    "arabic": "قارئ يراجع الشيفرة قبل أن يراها زميل ثم يكتب رأيه",
    "hindi": "यह सहकर्मी से पहले आपके अनुरोध पढ़ता है",
    "thai": "เครื่องมือนี้อ่านโค้ดก่อนเพื่อนร่วมงาน",
    "emoji": "👩‍👩‍👧 🚀 💡🧪 🏳️‍🌈 🇩🇪 👍🏽",
    "stacked": "Z̷̢̛a̸l̴g̵o̶ e\u0301a\u0300",
}


def words(pick: random.Random, kind: str, most: int) -> str:
    """Words of a kind, of at most so many characters, often of just so many."""
    long = pick.choice((most, most, pick.randint(1, most)))
    made = " ".join(pick.choice(WORDS[kind].split()) for _ in range(long))
    return made[:long].strip()


def week(number: int) -> DigestContent:
    """The week of that number: one to five comparisons, mostly in one script."""
    pick = random.Random(number)
    kind = pick.choice(tuple(WORDS))
    parts = tuple(_comparison(pick, kind, place) for place in range(pick.randint(1, 5)))
    return replace(TOLD, comparisons=parts)


def _comparison(pick: random.Random, kind: str, place: int) -> ComparisonPart:
    tools = _tool(pick, kind, f"one-{place}"), _tool(pick, kind, f"other-{place}")
    return ComparisonPart(f"comparison-{place}", words(pick, kind, pick.choice((80, 1000))), tools, 8)


def _tool(pick: random.Random, kind: str, slug: str) -> ToolPart:
    mixed = pick.choice((kind, kind, pick.choice(tuple(WORDS))))
    name, category, tagline, entry = (words(pick, mixed, most) for most in (120, 120, 240, 40))
    quote = pick.choice((None, Quote(words(pick, kind, 120), "ship", words(pick, kind, 1200))))
    return ToolPart(slug, name, category, tagline, entry, _score(pick), _score(pick), quote)


def _score(pick: random.Random) -> Score:
    few = Score(pick.randint(0, 6), pick.randint(0, 6))
    return pick.choice((Score(0, 0), few, Score(pick.randint(0, 99_999), pick.randint(0, 99_999))))
