"""What the DNS says of a site's letters: each record that it should publish, looked up and judged.

`ask` answers a name and a record type with the records' texts, with none if the DNS holds none, and raises Unanswered
when no name server tells.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from db.settings import Settings
from emails import dkim, dmarc, transports
from emails.dns_records import Record, is_own, to_publish
from emails.sender_identity import SenderIdentity
from emails.smtp_connection import name_of

Ask = Callable[[str, str], tuple[str, ...]]


class Unanswered(Exception):
    """No name server said whether there is such a record; the message says which one was asked for."""


class Checked(NamedTuple):
    """What was found of one record: `well` is true, None (a warning) or false; `told` is a sentence."""

    record: Record
    well: bool | None
    told: str


def check(config: Settings, ask: Ask) -> Iterator[Checked]:
    """Look up each record that the settings ask for. Once a name is unanswered, the rest still has its turn."""
    judges = {"SPF": _spf, "DKIM": _dkim, "DMARC": _dmarc, "MX": _mx, "PTR": _ptr}
    for record in to_publish(config):
        try:
            well, told = judges[record.what](record, ask, config)
        except Unanswered as error:
            well, told = None, str(error)
        yield Checked(record, well, _printable(told))


Judged = tuple[bool | None, str]


def _spf(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    found = [each for each in ask(record.name, "TXT") if re.match(r"v=spf1( |$)", each, re.IGNORECASE)]
    if not found:
        return None, f"{record.name} publishes no SPF record"
    if len(found) > 1:
        return None, f"{record.name} publishes {len(found)} SPF records, so none of them counts: keep one"
    words = found[0].lower().split()
    if "+all" in words or "all" in words:
        return None, f"the SPF record of {record.name} lets everybody send: {found[0]}"
    if not any(word in ("-all", "~all") or word.startswith("redirect=") for word in words):
        return None, f"the SPF record of {record.name} does not end in ~all or -all: {found[0]}"
    ours = record.value.split()[1]
    if ours.startswith("include:") and not any(word.startswith(("include:", "redirect=")) for word in words):
        return None, f"the SPF record of {record.name} does not include your relay ({ours}): {found[0]}"
    return True, f"published: {found[0]}"


def _dkim(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    found = ask(record.name, "TXT")
    if not found:
        return False, f"{record.name} does not exist, so no signature verifies"
    if len(found) > 1:
        return False, f"{record.name} holds {len(found)} records: keep one"
    theirs, ours = dmarc.tags(found[0]), dmarc.tags(record.value)
    if "".join(theirs.get("p", "").split()) != ours["p"] or theirs.get("k", "rsa") != ours["k"]:
        return False, f"{record.name} publishes another key than the one that signs"
    if "y" in theirs.get("t", "").split(":"):
        return None, f"{record.name} says that it is being tested (t=y): receivers may ignore the signature"
    return True, "published"


def _dmarc(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    identity, signer = SenderIdentity.of(config), dkim.signer_of(config)
    found = dmarc.policy(identity.domain, ask)
    if found is None:
        return None, f"no DMARC record holds for {identity.domain}"
    said = f"at {found.name}: {found.text}"
    if gone := [tag for tag in dmarc.GONE if tag in found.tags]:
        return None, f"{', '.join(gone)} are no tags of DMARC any more (RFC 9989); take them out; {said}"
    if found.tags.get("p", "").lower() not in ("none", "quarantine", "reject"):
        return None, f"the DMARC record has no policy (p=none, quarantine or reject); {said}"
    if signer and found.tags.get("adkim") == "s" and signer.domain != identity.domain:
        return None, f"adkim=s asks for signatures of {identity.domain}, but DKIM_DOMAIN is {signer.domain}; {said}"
    if not dmarc.is_aligned(identity.return_domain, identity.domain, ask, strict=found.tags.get("aspf") == "s"):
        return None, f"{identity.return_domain}, the bounce domain, is not aligned with {identity.domain}; {said}"
    return True, f"published {said}"


def _mx(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    found = ask(record.name, "MX")
    if any(each.split()[-1] == "." for each in found):
        return None, f"{record.name} says that it takes no mail (null MX), so no bounce arrives"
    if found:
        return True, f"published: {', '.join(sorted(found))}"
    if ask(record.name, "A") or ask(record.name, "AAAA"):
        return None, f"{record.name} has no MX record, only an address, which some senders do not try"
    return None, f"{record.name} has no MX record, so no bounce arrives"


def _ptr(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    server = transports.server_of(config)
    if server is None or not is_own(server):
        return True, "the relay's own affair"
    name = name_of(server).rstrip(".").lower()
    addresses = [name.strip("[]").removeprefix("ipv6:")] if name.startswith("[") else [
        each for kind in ("A", "AAAA") for each in ask(name, kind)]  # fmt: skip
    if not addresses:
        return None, f"{name}, by which a sender greets, has no address in the DNS: set MAIL_EHLO to a name that has"
    for address in addresses:
        names = [each.rstrip(".").lower() for each in ask(address, "PTR")]
        if not names:
            return None, f"{address} ({name}) has no PTR record: many receivers refuse mail from such an address"
        if not any(address in (*ask(each, "A"), *ask(each, "AAAA")) for each in names):
            return None, f"{address} is called {names[0]}, which does not lead back to it"
    return True, f"{', '.join(addresses)} and {name} lead to each other"


def _printable(text: str) -> str:
    """Others' words on a terminal and a page."""
    return re.sub(r"[^ -~]+", "?", text)[:600]


def warnings(config: Settings) -> Iterator[str]:
    """What the settings alone tell of letters that go out over SMTP."""
    identity = SenderIdentity.of(config)
    if config.outbox is None:
        if not config.dkim_domain:
            yield "Letters leave unsigned (DKIM_KEY_FILE is not set): many receivers refuse them, or call them spam."
        if not dmarc.may_be_aligned(identity.return_domain, identity.domain):
            yield (
                f"MAIL_BOUNCE_DOMAIN {identity.return_domain} is not aligned with {identity.domain}, the domain of "
                "MAIL_FROM, so SPF counts for nothing: take a name below that domain."
            )
    if config.mail_bounce_domain and not config.mail_verp:
        yield "MAIL_BOUNCE_DOMAIN counts for nothing while MAIL_VERP is 0: bounces come to the address of MAIL_FROM."
    if not identity.has_inbox:
        yield "No inbox is read (INBOX_URL is not set), so letters do not offer to unsubscribe by mail."
