"""An address: as it goes on an envelope, what makes two the same, and the keyed hashes it can be forgotten to."""

import hmac

from email_validator import EmailNotValidError, validate_email

from db import rules
from db.rules import BadAddress
from db.settings import settings


def normal(address: str) -> str:
    """The address as it is written on an envelope (RFC 5321; domain in lower case, IDN as A-labels, RFC 5891).

    Raises BadAddress, whose message says what to mend.
    """
    given = address.strip()
    if not given:
        raise BadAddress("Please type your email address, such as name@example.org.")
    if len(given) > 320 or rules.control_in(given):
        raise BadAddress("That is not an email address. Please type it again, such as name@example.org.")
    try:
        found = validate_email(
            given, check_deliverability=False, allow_smtputf8=False, test_environment=True, strict=True
        )
    except EmailNotValidError as error:
        raise BadAddress(f"We cannot mail to that address: {str(error).rstrip('.')}. Please check it.") from None
    return f"{found.ascii_local_part}@{found.ascii_domain.lower()}"


def key_of(address: str) -> str:
    """What makes two addresses the same: letters' case does not count (RFC 5321 2.4 lets a host differ; none does)."""
    return address.lower()


def hashes_of(address: str) -> list[str]:
    """The keyed hashes under which an address may stand in the suppression list, the newest key's first."""
    named = b"address:" + key_of(address).encode()
    return [hmac.digest(key, named, "sha256").hex() for key in settings().keys]
