"""A Maildir that is read for what comes back. Mails lie in `new` and `cur`, and keep the name before the colon."""

import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from emails.inboxes.inbox import InboxError, Mail, Mark


class MaildirInbox:
    """The mails in a folder. Neither a mail's flags nor its place is changed by looking at it."""

    validity = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}

    def mails(self, mark: Mark) -> Sequence[Mail]:  # noqa: ARG002  names have no order that could be marked
        found = []
        for part in ("new", "cur"):
            try:
                with os.scandir(self._folder / part) as entries:
                    for entry in entries:
                        found += self._mail(entry)
            except OSError as error:
                if part == "new" or not isinstance(error, FileNotFoundError):
                    raise InboxError(f"INBOX_URL: {self._folder / part} cannot be read: {error.strerror}") from None
        return sorted(found, key=lambda each: (each.number, each.place))

    def _mail(self, entry: "os.DirEntry[str]") -> list[Mail]:
        with suppress(FileNotFoundError):  # another program has moved it meanwhile: it is met next time
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                about = entry.stat(follow_symlinks=False)
                place = entry.name.partition(":")[0]
                self._files[place] = Path(entry.path)
                return [Mail(place, int(about.st_mtime))]
        return []

    def read(self, mail: Mail, most: int) -> bytes | None:
        try:
            number = os.open(self._files[mail.place], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(number, "rb") as file:
            about = os.fstat(number)
            return file.read() if stat.S_ISREG(about.st_mode) and about.st_size <= most else None

    def delete(self, mails: Collection[Mail]) -> None:
        for mail in mails:
            try:
                self._files[mail.place].unlink(missing_ok=True)
            except OSError as error:
                why = f"mails in {self._files[mail.place].parent} cannot be deleted: {error.strerror}"
                raise InboxError(f"INBOX_URL: {why}. Let the user of the outside line write there.") from None
