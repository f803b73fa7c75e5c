"""Sign-ups: how long they wait, when they are reminded, and how often one may ask."""

from datetime import timedelta

SIGN_UP_LIFE = timedelta(days=14)
"""How long a confirmation link works and an unconfirmed sign-up is kept."""
REMINDER_AFTER = timedelta(days=3)
"""After so long a sign-up that nobody confirmed gets its one reminder."""
WORDS_WITHOUT_REMINDER = ("2026-11", "2026-11-28")
"""Versions of the words of consent that promised that nobody who does not confirm is mailed again (until 0.5.0)."""
SIGN_UP_PAUSE = timedelta(minutes=10)
"""At most one confirmation email per address in this time, however often the form is sent."""
NETWORK_SPAN, ADDRESS_SPAN = timedelta(hours=1), timedelta(days=1)
"""The times to which SIGNUPS_PER_NETWORK and SIGNUPS_PER_ADDRESS apply."""
