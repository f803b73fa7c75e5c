"""Files and folders that their owner alone may read: they hold readers' addresses, letters and keys."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_folder(folder: Path) -> None:
    """Make the folder, and what is missing above it, for the owner alone. One that is there stays as it is."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file, if it is not there.

    One that is there is not even opened: whoever closes a file of SQLite gives up its locks for the whole process.
    """
    with suppress(OSError):  # whoever opens it next says what is wrong
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def opener(path: str, flags: int) -> int:
    """For `open(..., opener=opener)`: a file that is new is the owner's alone."""
    return os.open(path, flags, 0o600)


def mend(*paths: Path) -> None:
    """Take from others what an earlier release left open to them; what belongs to somebody else stays as it is.

    Only files: a path that names a folder or a device by mistake, such as /dev, is nobody's to close.
    """
    for path in paths:
        _close(path, stat.S_ISREG)


def mend_folder(folder: Path) -> None:
    """The same for a folder of ours and all in it; never for /var, which is `var` where a process was started in /."""
    if folder.resolve().parent != Path(folder.anchor or "/"):
        with suppress(OSError):
            for each in (*folder.rglob("*"), folder):
                _close(each, stat.S_ISREG, stat.S_ISDIR)


def _close(path: Path, *kinds: Callable[[int], bool]) -> None:
    with suppress(OSError):
        mode = path.lstat().st_mode
        if mode & _OTHERS and any(is_one(mode) for is_one in kinds):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
