"""Tells that a mail server has tried for too long; what it last heard from the other server tells more."""

from emails.bounces.patterns import one_of

_READ = 1000

_GAVE_UP = one_of(r"""
    (?:retry|delivery) (?:time(?:out)?|period|attempts?) (?:has )?(?:exceeded|expired)
    (?:message|mail|delivery|queue) (?:has )?(?:expired|timed out|timeout)
    could not (?:send|deliver|be (?:sent|delivered)) .. (?:for (?:the )?(?:past|last)|within)
    (?:too long in|been in|from) (?:the )?queue
    (?:exceed\w*|reached|after) .. (?:delivery )?attempts
    within the allowed queue period
    in the queue too long
    (?:not|n['’]t)(?: be(?:en)?)? (?:delivered|able to deliver).{0,40}(?:after|for|within|since) .{0,20}(?:hours?|days?)
    (?:message )?will be deleted from (?:the )?queue
""")


def without(words: str) -> str:
    """The words without how long it was tried, which would be taken for a limit of so many letters an hour."""
    return _GAVE_UP.sub(" ", words)


def is_told(words: str) -> bool:
    """Whether a mail server says that it has tried for too long."""
    return bool(_GAVE_UP.search(words[:_READ]))
