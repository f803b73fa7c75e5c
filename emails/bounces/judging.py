"""Whose a bounce is. Replies and enhanced status codes mean what they mean to the sender (emails/replies/whose.py)."""

import re
from typing import NamedTuple

from emails.bounces import giving_up, sentences
from emails.bounces.findings import Kind
from emails.bounces.steps import step_in
from emails.replies.table import Whose
from emails.replies.whose import STATUS, Stage, status_in, whose_is

KINDS: dict[Whose, Kind] = {
    "address": "hard",
    "mailbox": "soft",
    "domain": "soft",
    "relay": "soft",
    "unclear": "soft",
    "message": "content",
    "sender": "content",
}
"""What follows from whose it is; the relay of a bounce is some mail server on the way, not the one we talk to."""

_CONTEXT = 1000
_TELLS_NOTHING = ("4.0.0", "5.0.0")
# An SMTP reply's code, and what divides it from its text.
_CODE = re.compile(r"(?:^|(?<=[\s:;(\[\"'<>=]))([45]\d\d)(?=[\s:;,.#)\]_-]|$)(?!\.\d)[ \t]*[-:;,)\]]?[ \t]*")
_QUOTED = re.compile(r"[<(][^<>()\s]{1,200}@[^<>()\s]{1,200}[>)]")
# Postfix says the first in reply to RCPT alone; the second is PowerMTA's own judgement.
_SURE = re.compile(r"recipient address rejected|\(bad-mailbox\)", re.IGNORECASE)
_IN_REPLY_TO = re.compile(r" \(in reply to [A-Za-z ]{1,40}\)$")  # Postfix; else "MAIL FROM" would be taken for a reason
# From qmail and Sendmail; else an IP address would be taken for ours, and "Deferred" for a word of the other server's.
_OF_OURS = re.compile(r" Giving up on [0-9A-Fa-f.:]{3,40}\.?$| \(Other MXes tried: .*|(?<=\.\.\. )Deferred\b:?")


class Judged(NamedTuple):
    """What a report of a recipient means; see Finding."""

    kind: Kind
    whose: Whose
    code: int | None
    status: str | None
    diagnostic: str


def judge(told: str, status: str = "", *contexts: str) -> Judged:
    """Judges what is told of a recipient: the reply or the mail server's own words, the report's status field, and,
    where these say nothing, what the mail says around them, the nearest first."""
    line = " ".join(_OF_OURS.sub("", one_line(told)).split())
    said = _Said.of(_IN_REPLY_TO.sub("", line), status)
    step = next((step for each in (line, *contexts) if (step := step_in(each))), None)
    whose = said.whose(step)
    for context in filter(None, contexts):
        if whose != "unclear":
            break
        around = _Said.of(_OF_OURS.sub("", one_line(context, _CONTEXT)), status)
        whose, line = around.whose(step), line or one_line(context)
        said = said._replace(code=said.code or around.code, status=said.status or around.status)
    return Judged(KINDS[whose], whose, said.code, said.status or None, line)


def one_line(text: str, length: int = 500) -> str:
    """The text in one printable line."""
    printable = "".join(each if each.isprintable() else " " for each in text[: 4 * length])
    return " ".join(printable.split())[:length].strip()


class _Said(NamedTuple):
    """A reply or a sentence: its SMTP code, its enhanced status code, its words, and whether the report calls the
    failure temporary."""

    code: int | None
    status: str
    words: str
    temporary: bool

    @classmethod
    def of(cls, line: str, field: str) -> "_Said":
        code, words = _reply_in(line)
        found = (status_in(f"{code} {words}") if code else _first_status(line)) or ""
        status = found if found not in _TELLS_NOTHING else ""
        temporary = field.lstrip().startswith("4") and not (code and code >= 500)
        return cls(code, status or _first_status(field) or found, words, temporary or status.startswith("4"))

    def whose(self, step: Stage | None) -> Whose:
        """Whose it is, by the words and then by the codes; the address's only where that is sure."""
        told, reply, gave_up = self._by_sentence(step), self._by_reply(step or "rcpt"), giving_up.is_told(self.words)
        if gave_up and not told and (self.code is None or reply == "unclear"):
            return "domain"  # what the other server replied tells more than that ours has tried for too long
        if (told or reply) != "address":
            return told or reply
        if reply == "sender" and not sentences.takes_no_mail(self.words):
            return reply  # "domain not found" may be said of the sender's
        return "mailbox" if self.temporary or not (told or self._is_sure(step)) else "address"

    def _by_sentence(self, step: Stage | None) -> Whose | None:
        told = sentences.whose(self.words)
        # By then nobody has been named.
        return None if told in ("address", "mailbox") and step in ("hello", "mail") else told

    def _by_reply(self, step: Stage) -> Whose:
        status = "" if self.status in _TELLS_NOTHING or self.status in self.words else self.status
        code = self.code or (450 if self.temporary else 550)
        if status and status[0] != str(code)[0]:
            code = int(status[0]) * 100 + 50
        words = giving_up.without(self.words)
        return whose_is(step, code, f"{code} {status} {words}" if status else f"{code} {words}")

    def _is_sure(self, step: Stage | None) -> bool:
        """Whether "user unknown" is to be believed. Mobile carriers also say so of what a reader's filter refuses, at
        the end of the letter; a reply to RCPT says so by its step, its status, or the address that it quotes."""
        if step == "rcpt" or (step is None and _SURE.search(self.words)):
            return True
        quotes = step is None and self.code is not None and bool(_QUOTED.search(self.words))
        return self.status.startswith(("5.1.", "5.4.")) or (quotes and not self.status.startswith("5.2."))


def _reply_in(line: str) -> tuple[int | None, str]:
    """The reply's code and its text, without the codes of its further lines; without a code, None and the words behind
    the status, or all."""
    found = _CODE.search(line)
    if found and len(line) - found.end() > 3:
        further = rf"(?<= ){found[1]}[- ](?:[245]\.\d\.\d+ )?"
        return int(found[1]), re.sub(further, "", line[found.end() :])
    status = STATUS.search(line)
    return None, line[status.start() :] if status and len(line) - status.end() > 10 else line


def _first_status(text: str) -> str:
    found = STATUS.search(text)
    return ".".join(found.groups()) if found and found[0] not in _TELLS_NOTHING else ""
