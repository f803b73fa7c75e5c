"""Writes letters to a Maildir. Each file is named after its delivery, so sending a letter twice leaves one file."""

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from db import private_files
from emails.replies import Following, Meanwhile, Outcome, Outgoing, nobody, nothing, readable

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", re.ASCII)
_TO = re.compile(rb"^To:([^\r\n]*)", re.MULTILINE)


def remove(folder: Path, names: Collection[str], is_to_them: Callable[[str], bool]) -> int:
    """Remove from a Maildir the letters with these names, and those whose To header is to them; also drafts that a
    killed sender left. Returns how many files there were."""
    gone, wanted = 0, frozenset(names)
    for part in ("tmp", "new", "cur"):
        with suppress(FileNotFoundError), os.scandir(folder / part) as entries:
            for entry in [each for each in entries if each.is_file()]:
                with suppress(FileNotFoundError):
                    if re.split("[.:]", entry.name)[0] in wanted or is_to_them(_recipient(Path(entry.path))):
                        os.unlink(entry)
                        gone += 1
    return gone


def _recipient(file: Path) -> str:
    with file.open("rb") as opened:
        found = _TO.search(opened.read(16 * 1024))
    return found[1].decode("utf-8", "replace") if found else ""


class MaildirTransport:
    """Puts letters into `folder`/new. After a crash at any point the file is complete or absent."""

    certain = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def connect(self) -> Outcome | None:
        try:
            for part in ("tmp", "new", "cur"):
                private_files.make_folder(self._folder / part)
                if (self._folder / part).stat().st_mode & 0o077:
                    private_files.mend_folder(self._folder / part)
        except OSError as error:
            return self._refusal(error)
        return None

    def send(
        self, letter: Outgoing, following: Following = nobody, meanwhile: Meanwhile = nothing  # noqa: ARG002 (part of the Transport protocol)
    ) -> Outcome:  # fmt: skip
        name = letter.name
        if not _NAME.fullmatch(name):
            raise ValueError(f"a delivery cannot be a file named {name!r}")
        try:
            if not (self._folder / "new").is_dir() and (refusal := self.connect()):
                return refusal
            if not any((self._folder / "cur").glob(f"{name}:*")):
                self._write(letter.message, name)
        except OSError as error:
            return self._refusal(error)
        return Outcome("sent", None, f"in {self._folder}/new/{name}", "file")

    def close(self) -> None:
        pass

    def cut(self) -> None:
        pass

    def _write(self, message: bytes, name: str) -> None:
        draft = self._folder / "tmp" / f"{name}.{os.getpid()}"
        with open(draft, "wb", opener=private_files.opener) as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self._folder / "new" / name)
        folder = os.open(self._folder / "new", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _refusal(self, error: OSError) -> Outcome:
        return Outcome("relay", None, readable(f"cannot write to {self._folder}: {error.strerror}"), "file", "relay")
