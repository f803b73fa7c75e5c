"""The stamp in readers' forms: the UTC day on which the page was made, signed.

It is the same for everybody on one day, so kept and shared copies of a page stay good, also a moment after midnight. It
proves that whoever sends the form has seen a page of this site.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from db import moments
from db.settings import settings

Read = Literal["good", "old", "absent", "forged"]
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)\.([A-Za-z0-9_-]{20})", re.ASCII)


@lru_cache(maxsize=4)
def made(keys: tuple[bytes, ...], day: date) -> str:
    """The stamp of that day, signed with the newest key."""
    return f"{day.isoformat()}.{_mac(keys[0], day.isoformat())}"


def read(keys: Sequence[bytes], given: str | None, today: date) -> Read:
    """What a form's stamp tells. It is good on its day and on the next one. A page that was open for longer is no sign
    of a machine, as an absent or a forged stamp is. A host whose clock is ahead may have written tomorrow's."""
    if not given:
        return "absent"
    found = _STAMP.fullmatch(given)
    if found is None or not any(hmac.compare_digest(found[2], _mac(key, found[1])) for key in keys):
        return "forged"
    return "good" if date.fromisoformat(found[1]) >= today - timedelta(days=1) else "old"


def todays() -> str:
    """The stamp that pages show today."""
    return made(settings().keys, moments.now().date())


def _mac(key: bytes, day: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, b"stamp|" + day.encode(), "sha256")[:15]).decode()
