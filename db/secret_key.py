"""The signing key of a site that was given none: made on first use, and kept in a file."""

import hmac
import os
import secrets
from pathlib import Path

from db import private_files
from db.setting_errors import BadSettings


def kept_key(path: Path) -> bytes:
    """The key in `path`, created atomically by whichever process comes first."""
    if not path.exists():
        private_files.make_folder(path.parent)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails if another process was first: then that key is used
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    private_files.mend(path)
    key = path.read_bytes().strip()
    if not key:
        raise BadSettings(f"{path} is empty. Remove it to have a new key made, or set SECRET_KEY.")
    return key


def print_of(key: bytes) -> str:
    """A keyed print of 16 hex digits, by which processes compare their keys. Nobody can compute the key from it, and
    since no other MAC of ours begins with this label, it serves as none of them."""
    return hmac.digest(key, b"print of a signing key", "sha256").hex()[:16]
