"""At which step of the SMTP conversation a letter was refused, as far as the bounce says."""

import re

from emails.whose import Stage

_AFTER = (
    r"(?:after|in reply to|during|response to|remote server for|in Antwort auf|en réponse à la commande|en respuesta a)"
    r" (?:the )?(?:pipelined )?"
)

_STEPS: dict[Stage, re.Pattern[str]] = {
    "rcpt": re.compile(
        rf"{_AFTER}RCPT|>>> RCPT TO|does not like recipient|RCPT TO response|\bSMTP:RCPT|\[RCPT_TO\]"
        r"|\(state 14\)|\(SENT_RCPT",
        re.IGNORECASE,
    ),
    "mail": re.compile(rf"{_AFTER}MAIL FROM|>>> MAIL FROM|but sender was rejected|\(state 13\)", re.IGNORECASE),
    "hello": re.compile(
        rf"{_AFTER}(?:HELO|EHLO|LHLO|initial connection)|>>> (?:HELO|EHLO)|refused to\s+talk to me"
        r"|but (?:my name was rejected|greeting failed)|\(SENT_(?:HELO|EHLO|SECOND_EHLO)\)",
        re.IGNORECASE,
    ),
    "dot": re.compile(
        rf"{_AFTER}(?:end of )?(?:DATA|BDAT|TEXT command)|>>> (?:DATA|\.)|final DATA"
        r"|failed (?:after I sent the message|on DATA command)|\(state 1[5-8]\)",
        re.IGNORECASE,
    ),
}
"""From Postfix ("in reply to RCPT TO command"), Exim ("after RCPT TO"), Sendmail's transcripts (">>> RCPT To"), qmail,
DragonFly, Gmail ("state 14") and others. With pipelining, Sendmail prints the replies to RCPT under ">>> DATA"."""


def step_in(text: str) -> Stage | None:
    """The step that the text names, or None."""
    return next((step for step, pattern in _STEPS.items() if pattern.search(text[:20_000])), None)
