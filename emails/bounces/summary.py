"""What a mail that came back is as a whole, in one word: that of the finding which has most consequences."""

from collections.abc import Iterable

from emails.bounces.findings import Finding

KINDS = ("complaint", "hard", "content", "soft", "auto", "none")
"""The heaviest first; `none` is what changes nothing."""

_WORDS = {"challenge": "auto", "notice": "auto"}


def kind_of(found: Iterable[Finding]) -> str:
    """The kind of a whole mail."""
    words = {_word(each) for each in found}
    return next((each for each in KINDS if each in words), "none")


def recipients_of(found: Iterable[Finding]) -> list[str]:
    """The addresses that it names, each once."""
    return list(dict.fromkeys(each.recipient for each in found if each.recipient))


def _word(each: Finding) -> str:
    """A notice of delay goes by its trouble, though it has no consequences."""
    if each.kind == "delayed":
        return "content" if each.whose in ("message", "sender") else "soft"
    word = _WORDS.get(each.kind, each.kind)
    return word if word in KINDS else "none"
