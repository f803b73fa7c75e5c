"""At which step of the SMTP conversation a letter was refused, as far as the bounce says."""

import re

from emails.bounces.patterns import folded, one_of_folded
from emails.replies.whose import Stage

_AFTER = (
    r"(?:after|in reply to|during|response to|remote server for|in antwort auf|en réponse à la commande|en respuesta a)"
    r" (?:the )?(?:pipelined )?"
)

STEPS: dict[Stage, re.Pattern[str]] = {
    "rcpt": one_of_folded(rf"""
        {_AFTER}rcpt
        >>> rcpt to|\[rcpt_to\]|rcpt to response|\bsmtp:rcpt|\(sent_rcpt
        does not like recipient
        \(state 14\)
    """),
    "mail": one_of_folded(rf"""
        {_AFTER}mail from
        >>> mail from
        but sender was rejected
        \(state 13\)
    """),
    "hello": one_of_folded(rf"""
        {_AFTER}(?:helo|ehlo|lhlo|initial connection)
        >>> (?:helo|ehlo)|\(sent_(?:helo|ehlo|second_ehlo)\)
        refused to\s+talk to me
        but (?:my name was rejected|greeting failed)
    """),
    "dot": one_of_folded(rf"""
        {_AFTER}(?:end of )?(?:data|bdat|text command)
        >>> (?:data|\.)
        final data
        failed (?:after i sent the message|on data command)
        \(state 1[5-8]\)
    """),
}
"""From Postfix ("in reply to RCPT TO command"), Exim ("after RCPT TO"), Sendmail's transcripts (">>> RCPT To"), qmail,
DragonFly, Gmail ("state 14") and others. With pipelining, Sendmail prints the replies to RCPT under ">>> DATA"."""


def step_in(text: str) -> Stage | None:
    """The step that the text names, or None."""
    plain = folded(text[:20_000])
    return next((step for step, pattern in STEPS.items() if pattern.search(plain)), None)
