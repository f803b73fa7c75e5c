"""How a reader gets out again, and what tells mailbox providers whose list this is (RFC 2369, 2919, 8058, 3834)."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote

from emails.checks.seen import Fault, Seen, parts

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")
HTTPS = "Set BASE_URL to your site’s https address."


def way_out(seen: Seen) -> Iterator[Fault]:
    """Row 5: one https URI, and one mailto if somebody reads the inbox."""
    uris = re.findall(r"<([^<>]*)>", seen.only("list-unsubscribe"))
    web = [uri for uri in uris if parts(uri).scheme in ("https", "http")]
    mail = [uri for uri in uris if parts(uri).scheme == "mailto"]
    if len(web) != 1 or len(web) + len(mail) != len(uris):
        yield Fault("List-Unsubscribe must have exactly one address of the web.")
    elif parts(web[0]).scheme != "https":
        yield Fault("Mailbox providers show their unsubscribe button for an https address only.", HTTPS, "warning")
    if len(mail) != seen.case.identity.has_inbox:
        wanted = "one mailto address" if seen.case.identity.has_inbox else "no mailto address, since nobody reads it"
        yield Fault(f"List-Unsubscribe must have {wanted}.")
    if seen.only("list-unsubscribe-post") != "List-Unsubscribe=One-Click":
        yield Fault("List-Unsubscribe-Post must say List-Unsubscribe=One-Click, and nothing else (RFC 8058).")


def opaque_links(seen: Seen) -> Iterator[Fault]:
    """Row 6. (That a token cannot be forged and never expires shows at the page behind it.)"""
    uris = re.findall(r"<(https?:[^<>]*|mailto:[^<>]*)>", seen.only("list-unsubscribe"))
    for uri in uris:
        token = uri.rpartition("=" if uri.startswith("mailto:") else "/")[2]
        if seen.case.is_list and not _TOKEN.fullmatch(token):
            yield Fault("The token in List-Unsubscribe is shorter than 16 characters, or not made for a link.")
    spelled = _spellings(seen.case.to)
    for uri in {*uris, *seen.links, *seen.text_links}:
        plain = unquote(unquote(uri)).lower()
        if any(each in plain for each in spelled):
            yield Fault("A link has the reader’s address in it, which the log of every server on the way would keep.")
            return


def _spellings(address: str) -> set[str]:
    """The address in lower case, and as base64 and hexadecimal digits."""
    raw = address.encode()
    encoded = (each(raw).decode().rstrip("=").lower() for each in (base64.b64encode, base64.urlsafe_b64encode))
    return {address.lower(), raw.hex(), *encoded}


def list_names(seen: Seen) -> Iterator[Fault]:
    """Row 7."""
    if seen.only("auto-submitted") != "auto-generated":
        yield Fault("Auto-Submitted must say auto-generated: else vacation notes answer this letter.")
    if not seen.case.is_list:
        return
    domain = re.escape(seen.case.identity.domain)
    if not re.fullmatch(rf'(?:(?:"[^"]*"|[^"<>]+) )?<[a-z0-9-]+\.{domain}>', seen.only("list-id")):
        yield Fault(f"List-Id must be a name and <id.{seen.case.identity.domain}>.")
    groups = seen.only("feedback-id").split(":")
    if len(groups) != 4 or not 5 <= len(groups[-1]) <= 15 or not all(groups):
        yield Fault("Feedback-ID must have four parts, the last of 5 to 15 characters.")
    elif any(each and each.lower() in seen.only("feedback-id").lower() for each in _of_one(seen)):
        yield Fault("Feedback-ID differs from reader to reader: complaints cannot be counted by it.")


def _of_one(seen: Seen) -> Iterator[str]:
    """What belongs to one reader alone."""
    yield seen.case.to
    yield seen.only("message-id").strip("<>").partition("@")[0].rpartition(".")[2]
    yield seen.only("list-unsubscribe").partition(">")[0].rpartition("/")[2]
