"""Child processes that end with their parent, however that ends. It imports nothing but Python's own library."""

import ctypes
import signal
import sys

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Runs between fork and exec: asks the kernel to send TERM to this process when its parent dies, even by KILL."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
