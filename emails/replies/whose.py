"""Says whose a refusal is: takes a reply apart into words and codes, and asks the table (table.py)."""

import re
from typing import Literal

from emails.replies.table import RULES, Whose

Stage = Literal["connect", "greeting", "hello", "tls", "login", "mail", "rcpt", "data", "dot", "file"]

STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_IP = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_RELAY = re.compile(r"\brelay=\S+")  # the host that is talked to, and no word about relaying
_EMAIL = re.compile(r"[^\s<>():;,]+@[^\s<>():;,]+")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_IP_IN_WORDS = re.compile(r"\bip\b")
_NOT_YET = re.compile(r"\b(?:temporar\w+|try again|later|deferred|gr[ea]y ?list\w*|in progress)\b")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Words that tell nothing: that it was RCPT which is refused (the reason stands behind it), which server was asked about
# the address, and where to read more.
_EMPTY = re.compile(
    r"\brecipient address rejected(?= \w)|\bhost .{1,80} said\b|\b(?:for more information|learn more)\b.*"
    r"|\bto (?:best )?protect our users from spam\b"
)
_OURS = re.compile(
    r"\b(?:ip|senders?|reputation|spam|abuse|polic(?:y|ies)|authenti\w+|relay\w*|dns entries|spf|black ?list\w*)\b"
)

# At a stage the server can only blame what it knows by then: before MAIL us or itself, at MAIL also the letter's size.
_SESSION: frozenset[Whose] = frozenset({"sender", "relay"})
_BLAMED: dict[Stage, frozenset[Whose]] = {
    **dict.fromkeys(("connect", "greeting", "hello", "tls", "login", "file"), _SESSION),
    "mail": _SESSION | {"message"},
}


def status_in(reply: str) -> str | None:
    """The enhanced status code (RFC 3463) that a reply names, at whichever place: qmail puts (#5.1.1) at the end."""
    found = [".".join(each) for each in STATUS.findall(_IP.sub(" ", _URL.sub(" ", reply))) if each[0] == reply[:1]]
    return found[0] if found else None


def whose_is(stage: Stage, code: int, reply: str) -> Whose:
    """Whose a refusal is, by the first rule that fits. What no rule knows errs towards nobody's loss."""
    words, codes = _words(reply), f"{code} {status_in(reply) or ''}"
    blamed = _BLAMED.get(stage)
    for rule in RULES:
        if (blamed is None or rule.whose in blamed) and rule.fits(words, codes):
            return _certain(rule.whose, code, codes, words)
    if blamed is None:
        return "unclear"
    return "relay" if code < 500 or stage == "tls" else "sender"


def _words(reply: str) -> str:
    """The reply's words in lower case between single spaces; an IP address is the word `ip`, an email one `addr`."""
    text = _RELAY.sub(" ", _CAMEL_CASE.sub(" ", reply[3:]).lower())
    text = _EMAIL.sub(" addr ", _IP.sub(" ip ", _URL.sub(" ", text)))
    return _EMPTY.sub(" ", " ".join(_NO_WORD.sub(" ", text).split()))


def _certain(whose: Whose, code: int, codes: str, words: str) -> Whose:
    """A refusal is the address's only for ever (a 450 "user unknown" may pass) and without a word about the sender. An
    IP address is such a word, unless the enhanced code says that the address is meant: some servers greet with it."""
    if whose != "address":
        return whose
    if _OURS.search(_IP_IN_WORDS.sub(" ", words) if codes.endswith(" 5.1.1") else words):
        return "sender"
    return "mailbox" if code < 500 or _NOT_YET.search(words) else "address"
