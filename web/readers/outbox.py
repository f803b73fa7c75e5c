"""The outbox: emails of a site without a mail server, readable in the browser on the same machine only."""

import ipaddress
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Response, abort, g, make_response, render_template, request
from markupsafe import Markup, escape

from db.settings import Settings, settings
from web import headers

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")

MOST = 100
"""The most emails in the list (the newest)."""
_OF_PROXIES = (
    "forwarded", "via", "x-forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-",
    "x-envoy-", "x-amzn-trace-id", "x-appengine-", "x-azure-", "true-client-ip", "client-ip", "cf-", "cdn-", "fastly-",
    "akamai-", "x-varnish", "x-proxy", "proxy-",
)  # fmt: skip
"""How the names of headers begin that proxies and CDNs write and browsers do not."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,=@:+-]{0,254}", re.ASCII)
_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")
# CSP: an email may not run scripts or load anything; its links open in the top window.
_LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation"
)


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """One letter in the list."""

    name: str
    at: datetime
    to: str
    subject: str


def is_shown() -> bool:
    """Whether this request comes from somebody who may read the emails."""
    if "outbox_is_shown" not in g:
        g.outbox_is_shown = is_shown_to(request.environ)
    return bool(g.outbox_is_shown)


def is_shown_to(environ: WSGIEnvironment) -> bool:
    """Only while MAIL_URL is a Maildir and the site is on a loopback address, and to a browser on this machine.

    A proxy on this machine connects from a loopback address, too, and forwards for everybody.
    """
    config = settings()
    if config.outbox is None or not _is_local(config):
        return False
    return is_on_this_machine(environ)


def is_on_this_machine(environ: WSGIEnvironment) -> bool:
    """Whether a program on this machine asks, by a loopback name, and not a proxy for somebody else."""
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    here = _is_loopback(host) and _is_loopback_address(environ.get("REMOTE_ADDR", ""))
    return here and not _came_through_a_proxy(environ)


@lru_cache(maxsize=1)
def _is_local(config: Settings) -> bool:
    return config.is_local


def _came_through_a_proxy(environ: WSGIEnvironment) -> bool:
    """Whether a proxy left a header (RFC 7239, RFC 9110 7.6.3, or its own), or speaks HTTP/1.0, as nginx did by
    default until 1.29.7. A proxy that does none of it cannot be told from a program on this machine."""
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return True
    names = (name[5:].lower().replace("_", "-") for name in environ if name.startswith("HTTP_"))
    return any(name.startswith(_OF_PROXIES) for name in names)


@blueprint.before_request
def only_here() -> None:
    if not is_shown():
        abort(404)


@blueprint.after_request
def private(response: Response) -> Response:
    return headers.private(response)


@blueprint.get("")
def index() -> str:
    files = sorted(_files(), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    letters = [_kept(Path(file.path)) for file in files[:MOST]]
    return render_template("outbox.html", letters=letters, count=len(files), most=MOST)


@blueprint.get("/<name>")
def letter(name: str) -> str:
    message = _open(name)
    return render_template(
        "letter.html", name=name, message=message, text=_linked(_part(message, "plain")), html=_part(message, "html")
    )  # fmt: skip


@blueprint.get("/<name>/html")
def html(name: str) -> Response:
    body = _part(_open(name), "html")
    body = re.sub(r"(<head[^>]*>)", r'\1<base target="_top">', body, count=1)
    response = make_response(body)
    response.headers["Content-Security-Policy"] = _LETTER_POLICY
    return response


def _files() -> list[os.DirEntry[str]]:
    folder, found = settings().outbox, []
    for part in ("new", "cur"):
        if folder and (folder / part).is_dir():
            with os.scandir(folder / part) as entries:
                found += [entry for entry in entries if _NAME.fullmatch(entry.name) and entry.is_file()]
    return found


def _open(name: str) -> EmailMessage:
    folder = settings().outbox
    if not folder or not _NAME.fullmatch(name):
        abort(404, "That email isn’t in the outbox.")
    rows = [folder / part / name for part in ("new", "cur") if (folder / part / name).is_file()]
    if not rows:
        abort(404, "That email isn’t in the outbox.")
    return _parse(rows[0].read_bytes())


def _parse(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def _kept(path: Path) -> KeptLetter:
    with path.open("rb") as file:
        head = _parse(file.read(16 * 1024).replace(b"\r\n", b"\n").split(b"\n\n")[0] + b"\n\n")
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return KeptLetter(path.name, at, str(head.get("To", "")), str(head.get("Subject", "(no subject)")))


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    if not isinstance(body, EmailMessage):
        return ""
    try:
        return str(body.get_content())
    except LookupError:  # an unknown charset
        return bytes(body.get_payload(decode=True) or b"").decode("utf-8", "replace")


def _linked(text: str) -> Markup:
    """The text as HTML, with its URLs as links."""
    shown, at = Markup(), 0
    for found in _LINK.finditer(text):
        shown += escape(text[at : found.start()]) + Markup('<a href="{0}">{0}</a>').format(found[0])
        at = found.end()
    return shown + escape(text[at:])


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _is_loopback_address(address: str) -> bool:
    try:
        told = ipaddress.ip_address(address)
    except ValueError:  # over a Unix socket there is none, and who stands before it is a proxy
        return False
    mapped = told.ipv4_mapped if isinstance(told, ipaddress.IPv6Address) else None
    return (mapped or told).is_loopback
