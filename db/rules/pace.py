"""The pace of sending: how many letters are claimed, begun before they are settled, and left for single letters."""

import math

BATCH, FIRST_BATCH = 200, 24
"""The most letters under one claim, and the number while the pace is unknown."""


def window(pace: float, ceiling: int) -> int:
    """The window (letters begun and not yet settled): about 10 ms of work at `pace` seconds a letter, 1 to `ceiling`.

    On a slow mail server a commit per letter costs little; on a fast one it would halve the rate.
    """
    return max(1, min(ceiling, math.ceil(0.010 / pace))) if pace > 0 else ceiling


def batch(pace: float) -> int:
    """Letters to claim at once: about a second of work at `pace` seconds a letter, a few until that is known.

    If every claim took BATCH letters, sixteen connections would all have work only in a digest to 3,200 readers
    or more.
    """
    return max(1, min(BATCH, math.ceil(1 / pace) if pace > 0 else FIRST_BATCH))


def daily_reserve(daily: int, single: int) -> int:
    """How many of SEND_DAILY's letters a digest leaves free for single letters, such as confirm letters: 5 %, or as
    many as went out in the last 24 hours (`single`), but with those at most half."""
    return max(0, min(daily // 2 - single, max(math.ceil(daily / 20), single)))
