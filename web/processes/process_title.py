"""Shows a forked process under the words of its own command, as `ps` would after an exec."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Sequence

_PR_SET_NAME, _PR_SET_MM, _PR_SET_MM_MAP = 15, 35, 14
_FIELDS = {
    "start_code": 26, "end_code": 27, "start_data": 45, "end_data": 46, "start_brk": 47, "brk": 0, "start_stack": 28,
    "arg_start": 0, "arg_end": 0, "env_start": 50, "env_end": 51, "auxv": 0,
}  # fmt: skip
"""The fields of `struct prctl_mm_map`, and where proc_pid_stat(5) has the values that stay as they are."""


class _Map(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_uint64) for name in _FIELDS), ("auxv_size", ctypes.c_uint32),
                ("exe_fd", ctypes.c_uint32)]  # fmt: skip


_kept: list[ctypes.Array[ctypes.c_char]] = []
"""The words stay in this process's memory, where the kernel reads them."""


def become(words: Sequence[str], name: str) -> None:
    """Show these words as the command line and this name as the program's; a kernel that refuses changes nothing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, AttributeError):
            _become([os.fsencode(word) for word in words], os.fsencode(name))


def _become(words: list[bytes], name: bytes) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)
    libc.sbrk.restype = ctypes.c_void_p
    with open("/proc/self/stat") as file:
        stat = ["", "", "", *file.read().rpartition(")")[2].split()]  # the third field is at 3
    line = b"".join(word + b"\0" for word in words)
    _kept.append(ctypes.create_string_buffer(line, len(line)))
    start = ctypes.addressof(_kept[-1])
    values = {field: int(stat[place]) for field, place in _FIELDS.items() if place}
    values |= {"brk": libc.sbrk(ctypes.c_long(0)), "arg_start": start, "arg_end": start + len(line)}
    shown = _Map(**values, exe_fd=0xFFFFFFFF)
    size = ctypes.c_ulong(ctypes.sizeof(shown))
    libc.prctl(_PR_SET_MM, ctypes.c_ulong(_PR_SET_MM_MAP), ctypes.byref(shown), size, ctypes.c_ulong(0))
