"""The DNS records that a site has to publish, so that its letters count as its own and bounces find their way back."""

import ipaddress
from dataclasses import replace
from typing import Literal, NamedTuple

from db.settings import Settings
from db.urls import is_full_name, is_near
from emails import transports
from emails.messages import dkim
from emails.messages.sender_identity import SenderIdentity
from emails.transports.smtp_connection import Server, name_of

What = Literal["SPF", "DKIM", "DMARC", "MX", "PTR"]

INCLUDES = {
    ".amazonaws.com": "amazonses.com",
    ".postmarkapp.com": "spf.mtasv.net",
    ".office365.com": "spf.protection.outlook.com",
    ".outlook.com": "spf.protection.outlook.com",
    ".gmail.com": "_spf.google.com",
    ".mailgun.org": "mailgun.org",
    ".sendgrid.net": "sendgrid.net",
    ".mailjet.com": "spf.mailjet.com",
    ".mandrillapp.com": "spf.mandrillapp.com",
    ".brevo.com": "spf.brevo.com",
    ".fastmail.com": "spf.messagingengine.com",
}
"""What a relay's customers include in their SPF record, by the end of its host."""


class Record(NamedTuple):
    """One record: its name, type and content, and what it is for. What the settings do not tell stands in <>, for a
    person to fill in."""

    what: What
    name: str
    kind: str
    value: str
    why: str

    @property
    def line(self) -> str:
        """As it stands in a zone file; a text of more than 255 bytes in several strings (RFC 1035, section 3.3)."""
        value = self.value
        if self.kind == "TXT":
            value = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
        return f"{self.name}. {self.kind} {value}"


def is_for_the_dns(config: Settings) -> bool:
    """Whether MAIL_FROM has a domain that the public DNS can hold."""
    domain = SenderIdentity.of(config).domain
    return not is_near(domain) and not domain.endswith(".localdomain")


def to_publish(config: Settings) -> tuple[Record, ...]:
    """The records for these settings; none without a public domain. Raises BadKey if a DKIM key cannot be read."""
    if not is_for_the_dns(config):
        return ()
    identity, signer = SenderIdentity.of(config), dkim.signer_of(config)
    returns, domain, server = identity.return_domain, identity.domain, transports.server_of(config)
    keys = signer.keys if signer else ()
    published = [
        _spf(returns, server),
        *(Record("DKIM", signer.record_name(key), "TXT", key.record, f"the key of {key.algorithm} signatures")
          for key in keys if signer),
        Record("DMARC", f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}",
               "what receivers do with letters that are not ours; go on to p=quarantine once the reports are good"),
        Record("MX", returns, "MX", f"10 <the host that receives mail for {returns}>", "who takes bounces"),
    ]  # fmt: skip
    if server is None or is_own(server):
        published.append(_ptr(server))
    return tuple(published)


def is_own(server: Server) -> bool:
    """Whether the mail server is one of this machine or its network, or of our own domain: it sends from an address of
    ours."""
    return is_near(server.host) or server.host.endswith(".localdomain") or _is_of_our_domain(server)


def own_name(server: Server | None) -> str | None:
    """The public name, or the address in brackets, of a mail server of ours; None if the settings do not tell."""
    if server and _is_of_our_domain(server):
        return server.host
    name = name_of(replace(server, domain=None) if server else Server("localhost", 25))
    is_public = _address(name) is not None or is_full_name(name)
    return name if is_public and not is_near(name.strip("[]").removeprefix("IPv6:")) else None


def sends(server: Server | None) -> str | None:
    """The SPF mechanism for whoever sends our letters (RFC 7208, section 5); None if the settings do not tell."""
    if server is None or is_own(server):
        name = own_name(server)
        return _mechanism(name) if name else None
    return _include(server) or (_mechanism(server.host) if _address(server.host) else None)


def _is_of_our_domain(server: Server) -> bool:
    """Whether its name is MAIL_FROM's domain or one below it, and no big provider's, such as smtp.gmail.com."""
    ours = server.domain is not None and f".{server.host}".endswith(f".{server.domain}")
    return ours and _include(server) is None


def _include(server: Server) -> str | None:
    """The include of a relay that we know."""
    known = (f"include:{to}" for end, to in INCLUDES.items() if f".{server.host}".endswith(end))
    return next(known, None)


def _spf(domain: str, server: Server | None) -> Record:
    why = "who may send mail with this return path; a domain has one such record, so add to one that is there"
    mechanism = sends(server)
    if server is None or is_own(server):
        mechanism = mechanism or "a:<the public name of your mail server>"
    elif mechanism is None:
        mechanism = f"include:<the name that {server.host} tells its customers to include>"
    elif not mechanism.startswith("include:"):
        why += f"; if {server.host} sends from other addresses than it takes mail at, write what it tells you"
    return Record("SPF", domain, "TXT", f"v=spf1 {mechanism} ~all", why)


def _ptr(server: Server | None) -> Record:
    name = own_name(server)
    address = _address(name or "")
    where = address.reverse_pointer if address else "<the address that your mail server sends from, in reverse>"
    why = "the name of the address that your mail server sends from; it has to lead back to that address"
    named = name if name and not address else "<the public name of your mail server>"
    return Record("PTR", where, "PTR", f"{named}.", why)


def _mechanism(host: str) -> str:
    address = _address(host)
    return f"ip{address.version}:{address}" if address else f"a:{host}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, perhaps in brackets as in EHLO."""
    try:
        return ipaddress.ip_address(host.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return None
