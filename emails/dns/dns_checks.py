"""What the DNS says of a site's letters: each record that it should publish, looked up and judged.

`ask` answers a name and a record type with the records' texts, with none if the DNS holds none, and raises Unanswered
when no name server tells.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from db.settings import Settings
from db.urls import is_near
from emails import transports
from emails.dns import dmarc, spf_check
from emails.dns.records import Record, own_name, to_publish
from emails.messages import dkim, dkim_keys
from emails.messages.sender_identity import SenderIdentity

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
    judges = {"SPF": spf_check.judge, "DKIM": _dkim, "DMARC": _dmarc, "MX": _mx, "PTR": _ptr}
    for record in to_publish(config):
        try:
            well, told = judges[record.what](record, ask, config)
        except Unanswered as error:
            well, told = None, str(error)
        yield Checked(record, well, _printable(told))


Judged = tuple[bool | None, str]


def _dkim(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    found = ask(record.name, "TXT")
    if not found:
        return False, f"{record.name} does not exist, so no signature verifies"
    if len(found) > 1:
        return False, f"{record.name} holds {len(found)} records: keep one"
    theirs, ours = dmarc.tags(found[0]), dmarc.tags(record.value)
    if "p" not in theirs or theirs.get("v", "DKIM1") != "DKIM1":
        return False, f"{record.name} holds no DKIM key (a wildcard record may have answered): {found[0]}"
    if not theirs["p"]:
        return False, f"{record.name} says that this key is revoked (p= is empty), so no signature verifies"
    if theirs.get("k", "rsa").lower() != ours["k"] or not dkim_keys.is_same(theirs["p"], ours["p"]):
        return False, f"{record.name} publishes another key than the one that signs"
    if not _allows(theirs, "h", "sha256") or not _allows(theirs, "s", "email"):
        return False, f"{record.name} does not allow this key to sign mail with sha256 (h= and s=): {found[0]}"
    if "y" in theirs.get("t", "").split(":"):
        return None, f"{record.name} says that it is being tested (t=y): receivers may ignore the signature"
    return True, "published"


def _allows(tags: Mapping[str, str], tag: str, what: str) -> bool:
    """Whether a tag that lists what a key is for has this, or everything (RFC 6376, section 3.6.1)."""
    return bool({what, "*"} & {each.strip().lower() for each in tags.get(tag, "*").split(":")})


def _dmarc(record: Record, ask: Ask, config: Settings) -> Judged:
    identity, signer = SenderIdentity.of(config), dkim.signer_of(config)
    found = dmarc.policy(identity.domain, ask)
    if found is None:
        many = len(dmarc.records(identity.domain, ask))
        told = f"{record.name} holds {many} DMARC records, so none of them counts: keep one" if many > 1 else ""
        return None, told or f"no DMARC record holds for {identity.domain}"
    said = f"at {found.name}: {found.text}"
    strict = {tag: found.tags.get(tag, "r").lower() == "s" for tag in ("adkim", "aspf")}
    if gone := [tag for tag in dmarc.GONE if tag in found.tags]:
        return None, f"{', '.join(gone)} are no tags of DMARC any more (RFC 9989); take them out; {said}"
    if found.tags.get("p", "").lower() not in ("none", "quarantine", "reject"):
        return None, f"the DMARC record has no policy (p=none, quarantine or reject); {said}"
    if signer and strict["adkim"] and signer.domain != identity.domain:
        return None, f"adkim=s asks for signatures of {identity.domain}, but DKIM_DOMAIN is {signer.domain}; {said}"
    if signer and not dmarc.is_aligned(signer.domain, identity.domain, ask, strict=strict["adkim"]):
        return None, f"{signer.domain}, the domain that signs, is not aligned with {identity.domain}; {said}"
    if not dmarc.is_aligned(identity.return_domain, identity.domain, ask, strict=strict["aspf"]):
        return None, f"{identity.return_domain}, the bounce domain, is not aligned with {identity.domain}; {said}"
    return True, f"published {said}"


def _mx(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    found = ask(record.name, "MX")
    hosts = [each.split()[-1].rstrip(".") for each in found]
    if not all(hosts):
        return None, f"{record.name} says that it takes no mail (null MX), so no bounce arrives"
    told = f"published: {', '.join(sorted(found))}"
    if lost := [each for each in hosts if not (ask(each, "A") or ask(each, "AAAA"))]:
        return None, f"{told}, but {', '.join(lost)} has no address, so bounces get lost"
    if found:
        return True, told
    if ask(record.name, "A") or ask(record.name, "AAAA"):
        return None, f"{record.name} has no MX record, only an address, which some senders do not try"
    return None, f"{record.name} has no MX record, so no bounce arrives"


def _ptr(record: Record, ask: Ask, config: Settings) -> Judged:  # noqa: ARG001
    name = own_name(transports.server_of(config))
    if name is None:
        return None, "set MAIL_EHLO to the public name of your mail server, so that its address can be looked up"
    name = name.rstrip(".").lower()
    addresses = [name.strip("[]").removeprefix("ipv6:")] if name.startswith("[") else [
        each for kind in ("A", "AAAA") for each in ask(name, kind)]  # fmt: skip
    if addresses and all(map(is_near, addresses)):
        return (
            None,
            f"{name} has a private address here ({', '.join(addresses)}), so its PTR cannot be judged from here",
        )
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


_UNSUBSCRIBE = {"list-unsubscribe", "list-unsubscribe-post"}


def warnings(config: Settings) -> Iterator[str]:
    """What the settings alone tell of letters that go out over SMTP."""
    identity = SenderIdentity.of(config)
    if config.outbox is None:
        if not config.dkim_domain:
            yield (
                "Letters leave unsigned (DKIM_KEY_FILE is not set): many receivers refuse them, or call them spam, "
                f"unless your relay signs them for {identity.domain}."
            )
        if missing := _UNSUBSCRIBE - set(config.dkim_signed or _UNSUBSCRIBE):
            yield (
                f"DKIM_SIGNED leaves out {' and '.join(sorted(missing))}: mailboxes then show no button to unsubscribe "
                "(RFC 8058, section 4)."
            )
        if config.mail_ehlo and "." not in config.mail_ehlo and ":" not in config.mail_ehlo:
            yield f"MAIL_EHLO is {config.mail_ehlo}, without a dot: many mail servers refuse such a name."
        if not dmarc.may_be_aligned(identity.return_domain, identity.domain):
            yield (
                f"MAIL_BOUNCE_DOMAIN {identity.return_domain} is not aligned with {identity.domain}, the domain of "
                "MAIL_FROM, so SPF counts for nothing: take a name below that domain."
            )
    if config.mail_bounce_domain and not config.mail_verp:
        yield "MAIL_BOUNCE_DOMAIN counts for nothing while MAIL_VERP is 0: bounces come to the address of MAIL_FROM."
    if not identity.has_inbox:
        yield "No inbox is read (INBOX_URL is not set), so letters do not offer to unsubscribe by mail."
