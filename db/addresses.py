"""An email address: its normal form, the key for comparing two, and the keyed hashes that stand for it once erased."""

import hmac

from email_validator import EmailNotValidError, validate_email

from db import rules
from db.rules import BadAddress
from db.settings import settings


def normal(address: str) -> str:
    """The address as it is written on an envelope (RFC 5321; domain in lower case, IDN as A-labels, RFC 5891).

    Raises BadAddress, whose message says how to correct it.
    """
    given = address.strip()
    if not given:
        raise BadAddress("Please enter your email address, such as name@example.org.")
    if len(given) > 320 or rules.control_in(given):
        raise BadAddress("That isn’t an email address. Please check it; it should look like name@example.org.")
    try:
        found = validate_email(
            given, check_deliverability=False, allow_smtputf8=False, test_environment=True, strict=True
        )
    except EmailNotValidError as error:
        raise BadAddress(f"We can’t send email to that address: {str(error).rstrip('.')}. Please check it.") from None
    return f"{found.ascii_local_part}@{found.ascii_domain.lower()}"


def key_of(address: str) -> str:
    """The key by which addresses are compared, in lower case. (RFC 5321, section 2.4 lets mail servers treat the part
    before the @ as case-sensitive, but hardly any does.)"""
    return address.lower()


def mailbox_of(address: str) -> str:
    """The mailbox that a normal address leads to, as far as is known: one key for all the spellings it answers to.

    Only limits use it; what is stored and mailed is the address as typed. A tag behind `+` (RFC 5233) is dropped for
    every domain: where it is no tag, two people share a limit, the smaller harm. All else is a provider's own rule.
    """
    local, _, domain = key_of(address).rpartition("@")
    local = local.partition("+")[0] or local
    owner, dot, parent = domain.partition(".")
    if dot and parent in _SUBDOMAIN_IS_USER:
        local, domain = owner, parent
    domain = _SAME_DOMAIN.get(domain, domain)
    if domain.startswith("yahoo."):
        local = local.partition("-")[0] or local
    return f"{local.translate(_IGNORED.get(domain, {})) or local}@{domain}"


_SAME_DOMAIN = {
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "protonmail.ch": "proton.me",
    "pm.me": "proton.me",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
}
"""Domains at which a provider gives the same name to the same person."""
_IGNORED = {"gmail.com": str.maketrans("", "", "."), "proton.me": str.maketrans("", "", "._-")}
"""What a provider does not read in the part before the @."""
_SUBDOMAIN_IS_USER = ("fastmail.com", "fastmail.fm")
"""Where any name at a person's subdomain is theirs: shop@alice.fastmail.com is alice@fastmail.com."""


def hashes_of(address: str) -> list[str]:
    """The keyed hashes under which an address may be suppressed, newest key first."""
    named = b"address:" + key_of(address).encode()
    return [hmac.digest(key, named, "sha256").hex() for key in settings().keys]
