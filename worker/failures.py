"""How a failed attempt is told in the ledger of jobs: its message, its traceback and its fingerprint."""

import hashlib
import re
import traceback


def message(error: BaseException) -> str:
    """What the error says."""
    return _storable(str(error))


def lines(error: BaseException) -> str:
    """Its traceback."""
    return _storable("".join(traceback.format_exception(error)))


def fingerprint(error: BaseException) -> str:
    """Twelve hex digits, the same for similar failures: a hash of the error's class and of its message without
    numbers and quoted words."""
    sort = re.sub(r"0x[0-9a-f]+|\d+|'[^']*'|\"[^\"]*\"", "#", str(error))
    return hashlib.sha256(f"{type(error).__name__}:{_storable(sort)}".encode()).hexdigest()[:12]


def _storable(text: str) -> str:
    """The text without NUL and lone surrogates, which an error may quote and a database refuses."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
