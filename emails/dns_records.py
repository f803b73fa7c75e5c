"""The DNS records that a site has to publish, so that its letters count as its own and bounces find their way back."""

import ipaddress
from typing import Literal, NamedTuple

from db.settings import Settings
from db.urls import is_near
from emails import dkim, transports
from emails.sender_identity import SenderIdentity
from emails.smtp_connection import Server, name_of

What = Literal["SPF", "DKIM", "DMARC", "MX", "PTR"]

_INCLUDES = {
    ".amazonaws.com": "amazonses.com",
    ".postmarkapp.com": "spf.mtasv.net",
    ".office365.com": "spf.protection.outlook.com",
    ".gmail.com": "_spf.google.com",
}
"""What a relay's customers include in their SPF record, by the end of its host."""
RECEIVER = "mx.invalid"
"""Stands in an MX record to publish for the host that is to take the bounces: the settings do not name it."""


class Record(NamedTuple):
    """One record: its name, type and content, and what it is for."""

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
        Record("SPF", returns, "TXT", f"v=spf1 {_senders(server)} ~all", "who may send mail with this return path"),
        *(Record("DKIM", signer.record_name(key), "TXT", key.record, f"the key of {key.algorithm} signatures")
          for key in keys if signer),
        Record("DMARC", f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}",
               "what receivers do with letters that are not ours; go on to p=quarantine once the reports are good"),
        Record("MX", returns, "MX", f"10 {RECEIVER}.",
               f"who takes bounces: write the host that receives mail for {returns} in place of {RECEIVER}"),
    ]  # fmt: skip
    if server is None or is_own(server):
        name = name_of(server or Server("localhost", 25, domain=domain))
        why = f"the name of the address that your mail server sends from; {name} has to lead back to that address"
        published.append(Record("PTR", "the-address-in-reverse.in-addr.arpa", "PTR", f"{name}.", why))
    return tuple(published)


def is_own(server: Server) -> bool:
    """Whether the mail server is one of this machine or its network, which sends from an address of ours."""
    return is_near(server.host) or server.host.endswith(".localdomain")


def _senders(server: Server | None) -> str:
    """The SPF mechanism for this mail server (RFC 7208, section 5)."""
    if server is None or is_own(server):
        name = name_of(server or Server("localhost", 25))
        return f"a:{name}" if "." in name and not name.startswith("[") else "mx"
    try:
        address = ipaddress.ip_address(server.host)
    except ValueError:
        known = (to for end, to in _INCLUDES.items() if f".{server.host}".endswith(end))
        return next((f"include:{each}" for each in known), f"a:{server.host}")
    return f"ip{address.version}:{address}"
