"""How a failed attempt is told in the ledger of jobs: its message, its fingerprint and its traceback."""

import hashlib
import re
import traceback
from collections.abc import Callable

from db.jobs.jobs import Failure
from db.masking import masked_in

_URL = re.compile(r"(\w+://)(?:[^\s/?#'\"]*@)?([^\s/?#'\"@]+)[^\s'\"]*")


def of(error: BaseException) -> Failure:
    """The failure in the error's own words, with each email address in them masked."""
    return _kept(error, masked_in)


def without_urls(error: BaseException) -> Failure:
    """The same without what follows the host of a URL, and without a login in it: either may be a secret."""
    return _kept(error, lambda text: masked_in(_URL.sub(r"\1\2/…", text)))


def _kept(error: BaseException, clean: Callable[[str], str]) -> Failure:
    message, lines = _storable(str(error)), _storable("".join(traceback.format_exception(error)))
    return Failure(type(error).__name__, clean(message), fingerprint(error), clean(lines))


def fingerprint(error: BaseException) -> str:
    """Twelve hex digits, the same for similar failures: a hash of the error's class and of its message without
    numbers and quoted words."""
    sort = re.sub(r"0x[0-9a-f]+|\d+|'[^']*'|\"[^\"]*\"", "#", str(error))
    return hashlib.sha256(f"{type(error).__name__}:{_storable(sort)}".encode()).hexdigest()[:12]


def _storable(text: str) -> str:
    """The text without NUL and lone surrogates, which an error may quote and a database refuses."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
