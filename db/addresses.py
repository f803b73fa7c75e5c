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


def hashes_of(address: str) -> list[str]:
    """The keyed hashes under which an address may be suppressed, newest key first."""
    named = b"address:" + key_of(address).encode()
    return [hmac.digest(key, named, "sha256").hex() for key in settings().keys]
