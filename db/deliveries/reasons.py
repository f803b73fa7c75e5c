"""The words that `deliveries.reason` keeps for what the site itself decided about a letter.

They are stored: a new wording would part the letters of yesterday from today's in an operator's filters.
"""

GIVEN_UP = "given up"
"""Alone, or in front of the reason of the last try: see `given_up`."""
AGAIN_AFTER_DOUBT = "sent again after doubt"
DOMAIN_DEFERS = "its domain defers"
NOT_COMPOSED = "cannot be composed"


def given_up(reason: str) -> str:
    """For a letter whose last try ended so, and that gets no other."""
    return f"{GIVEN_UP}, {reason}"
