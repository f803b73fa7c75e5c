"""What came back after letters, in words for the console and the commands."""

from collections.abc import Mapping

_OF_ONE = {
    "hard": "Came back: the address does not exist",
    "suspended": "Came back: the mailbox is switched off",
    "soft": "Came back: the mailbox did not take it",
    "content": "Came back: the mail server blames us, not the reader",
    "complaint": "The reader calls it spam",
}
_OF_MANY = {
    "hard": ("address that does not exist", "addresses that do not exist"),
    "suspended": ("mailbox that is switched off", "mailboxes that are switched off"),
    "soft": ("mailbox that did not take it", "mailboxes that did not take it"),
    "content": ("letter for which we are blamed", "letters for which we are blamed"),
    "complaint": ("complaint", "complaints"),
}


def of_one(kind: str) -> str:
    """What came back after one letter."""
    return _OF_ONE[kind]


def of_many(counts: Mapping[str, int]) -> str:
    """What came back after a digest's letters: “3 addresses that do not exist, 1 complaint”; empty for nothing."""
    told = [f"{counts[kind]:,} {words[counts[kind] != 1]}" for kind, words in _OF_MANY.items() if counts.get(kind)]
    return ", ".join(told)
