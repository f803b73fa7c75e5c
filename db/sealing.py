"""Secrets that we have to read again, encrypted with a key derived from SECRET_KEY: a copy of the database alone does
not tell them."""

from base64 import urlsafe_b64encode

from db.settings import settings


def seal(purpose: str, secret: str) -> str:
    """The secret, encrypted with the newest key, as it is stored. Each purpose has a key of its own."""
    from cryptography.fernet import Fernet  # few processes ever need it

    return Fernet(_keys(purpose)[0]).encrypt(secret.encode()).decode()


def unseal(purpose: str, kept: str) -> str | None:
    """The secret, or None when the key that it was sealed with is no longer in SECRET_KEY."""
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

    try:
        return MultiFernet([Fernet(key) for key in _keys(purpose)]).decrypt(kept).decode()
    except InvalidToken:
        return None


def _keys(purpose: str) -> list[bytes]:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    made = (HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(key) for key in settings().keys)
    return [urlsafe_b64encode(each) for each in made]
