"""Static files: read once, compressed once, and kept by browsers for a year under their own print alone."""

import mimetypes
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from web import headers
from web.readers import negotiation
from web.readers.negotiation import Asked, Coding, KeptAnswer, compressed

FOLDER = Path(__file__).parents[1] / "static"
PREFIX = "/static/"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "public, no-cache"
"""For an address without the file's print, such as one that a page of another release names during an upgrade."""
_COMPRESSED = (".css", ".js", ".svg")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file with its content type, and a print that changes with its content."""

    kind: str
    print_: str
    bodies: dict[Coding, bytes]


@cache
def _all() -> dict[str, StaticFile]:
    paths = (path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    bodies: dict[Coding, bytes] = {"identity": content}
    if path.suffix in _COMPRESSED:
        bodies["gzip"] = compressed(content, 9)
    kind = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    return StaticFile(kind, sha256(content).hexdigest()[:12], bodies)


@cache
def url(name: str) -> str:
    """A file's URL with its print, so that it can be kept for a year."""
    return f"{PREFIX}{name}?v={_all()[name].print_}"


def find(method: str, path: str, query: str, asked: Asked) -> KeptAnswer | None:
    """The answer to this request, if there is such a file."""
    file = _all().get(path.removeprefix(PREFIX)) if method in ("GET", "HEAD") else None
    if file is None:
        return None
    coding = negotiation.coding(asked.get("accept-encoding"))
    coding = coding if coding in file.bodies else "identity"
    etag = f'"{file.print_}.{coding[0]}"'
    told = [
        ("Content-Type", file.kind),
        ("Cache-Control", FOR_EVER if query == f"v={file.print_}" else ASK_EACH_TIME),
        *([("Vary", "Accept-Encoding")] if "gzip" in file.bodies else []),
        *headers.security().items(),
    ]
    return negotiation.answered(method, asked, etag, coding, file.bodies[coding], told)
