"""The second factor: codes that change every 30 seconds (TOTP, RFC 6238), and recovery codes for a lost phone."""

import hmac
import secrets
from base64 import b32encode
from datetime import datetime
from hashlib import sha256

import pyotp
import segno
import structlog
from markupsafe import Markup

from db import sealing
from db.settings import settings

log = structlog.get_logger("console")

STEP = 30
WINDOW = 1
"""Codes of this many steps before and after now are accepted: clocks differ, and typing takes time (RFC 6238 5.2)."""
RECOVERY_CODES = 10
_PURPOSE = "operators' second factor"


def new_secret() -> str:
    """A new secret for an authenticator app, in base32."""
    return pyotp.random_base32()


def sealed(secret: str) -> str:
    """The secret, encrypted with a key derived from SECRET_KEY, as it is stored."""
    return sealing.seal(_PURPOSE, secret)


def unsealed(kept: str) -> str | None:
    """The decrypted secret, or None when its key is no longer in SECRET_KEY."""
    found = sealing.unseal(_PURPOSE, kept)
    if found is None:
        log.warning("a second factor was sealed with a SECRET_KEY that is gone; recovery codes still work")
    return found


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step around now that has this code; None if none has."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    middle, found = int(now.timestamp()) // STEP, None
    for step in range(middle - WINDOW, middle + WINDOW + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step), digits):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Ten recovery codes of 80 bits, for the operator to write down."""
    texts = (b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts]


def recovery_hash(code: str) -> str:
    """The stored hash of a recovery code; with 80 bits of entropy a fast hash is enough."""
    bare = "".join(char for char in code.lower() if char.isalnum())
    return sha256(b"recovery code " + bare.encode()).hexdigest()


def uri(secret: str, address: str) -> str:
    """The otpauth URI in the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=address, issuer_name=settings().site_name)


def qr(uri: str) -> Markup:
    """The QR code as inline SVG, without a style attribute."""
    return Markup(segno.make(uri, error="m").svg_inline(border=4, omitsize=True, svgclass="qr", lineclass=None))
