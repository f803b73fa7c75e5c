"""Which signing keys the site has used: a process whose keys do not include the newest one is noticed before it works.

With a foreign key a sender would mail suppressed readers, since suppressions are looked up by keyed hash, and its links
would lead nowhere. The table holds a keyed print of each key, never a key.
"""

import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from db import moments
from db.addresses import hashes_of
from db.register import Plain
from db.schema import TRUSTED_SECONDS, WrongSchema
from db.secret_key import print_of
from db.session import Moment, Row, reading, writing
from db.settings import Settings, settings


class SigningKey(Row):
    """A key that signed from then on. The highest number is the newest: two processes that record a key at the same
    moment want the same number, and only one gets it."""

    __tablename__ = "signing_keys"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_print: Mapped[Plain]
    first_used_at: Mapped[datetime]


class ForeignSigningKey(WrongSchema):
    """This process may not work with the database, as little as one of the wrong release: its keys are not the site's.
    The message names the way out."""


# ---- the rule ----------------------------------------------------------------------------------------------


def is_foreign(newest: str | None, own: Sequence[str]) -> bool:
    """Whether a process with these prints, newest first, may not start beside the site's newest one."""
    return newest is not None and newest not in own


def is_new(newest: str | None, own: Sequence[str]) -> bool:
    """Whether such a process signs with another key than the site's newest one, so that its own becomes the newest."""
    return not is_foreign(newest, own) and newest != own[0]


# ---- when a process starts, and while it runs ----------------------------------------------------------------

Owner = tuple[str, tuple[bytes, ...]]
_checked: dict[Owner, float] = {}
"""Until when the last successful check of these keys holds, in that database."""
_recorded: dict[Owner, float] = {}
"""The same for those that are recorded, so that this process has begun to work with them."""


def check() -> None:
    """Raise ForeignSigningKey unless this process's keys include the site's newest one. One that has begun to work may
    go on after another brought a new key, while the site knows the key that it signs with. It queries at most once in
    TRUSTED_SECONDS."""
    config = settings()
    if _checked.get(_owner(config), 0.0) > time.monotonic():
        return
    with reading() as session:
        _refuse(session, config)
    _checked[_owner(config)] = time.monotonic() + TRUSTED_SECONDS


def record() -> None:
    """check(), and make the key that this process signs with the newest one. Every process does so when it starts, and
    never in a request."""
    config = settings()
    if _recorded.get(_owner(config), 0.0) > time.monotonic():
        return
    with reading() as session:
        found = _refuse(session, config)
        own = prints(config)
    while is_new(found.key_print if found else None, own):
        with writing() as session:
            _insert(session, (found.number if found else 0) + 1, own[0], moments.now())
            found = refuse_foreign(session, config)
    _checked[_owner(config)] = _recorded[_owner(config)] = time.monotonic() + TRUSTED_SECONDS


def forget_checks() -> None:
    """Make the next check one of a process that starts."""
    _checked.clear()
    _recorded.clear()


def _refuse(session: Session, config: Settings) -> SigningKey | None:
    try:
        return refuse_foreign(session, config)
    except ForeignSigningKey:
        if _owner(config) in _recorded and _is_known(session, prints(config)[0]):
            return newest(session)
        raise


def _is_known(session: Session, key_print: str) -> bool:
    return session.scalar(select(SigningKey.number).where(SigningKey.key_print == key_print).limit(1)) is not None


def refuse_foreign(session: Session, config: Settings) -> SigningKey | None:
    """The newest key that the site has used, None before the first. Raises ForeignSigningKey if this process lacks it.

    Where the key's file is lost, none is made in its place.
    """
    found = newest(session)
    if found is None:
        if is_another_sites(session):
            raise ForeignSigningKey(_told("the key of its suppressions"))
    elif is_foreign(found.key_print, () if config.would_make_a_key else prints(config)):
        raise ForeignSigningKey(_told(f"its newest key, first used {found.first_used_at:%Y-%m-%d}"))
    return found


def _told(which: str) -> str:
    return (
        f"SECRET_KEY, or the key in var/secret_key, is not this site's: {which}, is not among the keys here; give this "
        "process the site's keys, put a new one before the old (SECRET_KEY=NEW,OLD), or, if the old one is lost, run: "
        "verdicts db forget-key"
    )


def is_another_sites(session: Session) -> bool:
    """Whether suppressions of known readers were hashed under other keys, in a database that no key is recorded in."""
    rows = session.execute(_OF_KNOWN_READERS).all()
    return bool(rows) and not any(row.address_hash in hashes_of(row.address_key) for row in rows)


_OF_KNOWN_READERS = text(
    "SELECT s.address_hash, p.address_key FROM suppressions s JOIN subscribers p ON p.id = s.subscriber_id"
    " WHERE p.address_key IS NOT NULL ORDER BY s.at DESC LIMIT 100"
)


def _owner(config: Settings) -> Owner:
    return config.database_url, () if config.would_make_a_key else config.keys


# ---- while a sender runs -----------------------------------------------------------------------------------


def foreign_by_now(session: Session) -> str:
    """Why this process may not mail anybody, since another one has brought a new key: suppressions may be hashed under
    it alone. Empty if it may."""
    try:
        refuse_foreign(session, settings())
    except ForeignSigningKey as error:
        return str(error)
    return ""


# ---- the table ---------------------------------------------------------------------------------------------


def prints(config: Settings) -> tuple[str, ...]:
    """The prints of this process's keys, newest first. Raises BadSettings where there has to be a key."""
    return tuple(print_of(key) for key in config.keys)


def newest(session: Session) -> SigningKey | None:
    """The key that the site began to sign with last."""
    return session.scalars(select(SigningKey).order_by(SigningKey.number.desc()).limit(1)).first()


def lost(session: Session, own: Sequence[str]) -> list[SigningKey]:
    """The keys that the site has used and that are not among these prints."""
    query = select(SigningKey).where(SigningKey.key_print.not_in(own)).order_by(SigningKey.number)
    return list(session.scalars(query))


def forget(session: Session, own: Sequence[str], now: datetime) -> None:
    """Forget the keys that are not among these prints; the first of these is the newest then."""
    last = newest(session)
    session.execute(delete(SigningKey).where(SigningKey.key_print.not_in(own)))
    if last is None or last.key_print != own[0]:
        _insert(session, (last.number if last else 0) + 1, own[0], now)


def _insert(session: Session, number: int, key_print: str, now: datetime) -> None:
    session.execute(_INSERT, {"number": number, "key_print": key_print, "now": now})


_INSERT = text(
    "INSERT INTO signing_keys (number, key_print, first_used_at) VALUES (:number, :key_print, :now)"
    " ON CONFLICT (number) DO NOTHING"
).bindparams(bindparam("now", type_=Moment()))
