"""Where a text can be cut without splitting what readers see as one character."""

import unicodedata

_JOINER = "\u200d"


def cut_before(text: str, at: int) -> int:
    """The last place up to `at` that lies between two characters as readers see them (UAX 29, section 3.1, without
    its rarest rules); `at` itself if one such character fills everything before it."""
    place = at
    while 0 < place < len(text) and _goes_on(text, place):
        place -= 1
    return place or at


def _goes_on(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if _JOINER in (before, after) or unicodedata.category(after) in ("Mn", "Me", "Mc") or _is_emoji_part(after):
        return True
    if unicodedata.combining(before) == 9:  # a virama joins two consonants of an Indic script
        return unicodedata.category(after) == "Lo"
    if _is_flag_letter(after) and _is_flag_letter(before):
        return _flag_letters(text, place) % 2 == 1
    return "\u1160" <= after <= "\u11ff" and "\u1100" <= before <= "\u11ff"  # the letters of one Hangul syllable


def _is_emoji_part(each: str) -> bool:
    """Whether it is a skin tone, or a letter inside a flag such as Scotland's."""
    return "\U0001f3fb" <= each <= "\U0001f3ff" or "\U000e0020" <= each <= "\U000e007f"


def _is_flag_letter(each: str) -> bool:
    return "\U0001f1e6" <= each <= "\U0001f1ff"


def _flag_letters(text: str, place: int) -> int:
    """How many stand in a row right before that place: two make a flag."""
    start = place
    while start and _is_flag_letter(text[start - 1]):
        start -= 1
    return place - start
