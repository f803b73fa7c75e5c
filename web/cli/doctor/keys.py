"""What `verdicts doctor` says of signing keys, and of settings in which processes have to agree."""

from collections.abc import Iterator

from db import signing_keys
from db.session import reading
from db.settings import Settings
from db.signing_keys import ForeignSigningKey


def keys(config: Settings) -> Iterator[tuple[bool | None, str]]:
    """Whether the keys here are the site's, and a sentence about them."""
    try:
        with reading() as session:
            signing_keys.refuse_foreign(session, config)
            older = signing_keys.lost(session, signing_keys.prints(config))
    except ForeignSigningKey as error:
        yield False, str(error)
        return
    if older:
        days = ", ".join(f"{each.first_used_at:%Y-%m-%d}" for each in older)
        told = (
            f"the key that the site used from {days} on is no longer among the keys here: suppressions and links "
            "that were made with it do not count. Put it back behind the others, or run: verdicts db forget-key"
        )
        yield None, told
