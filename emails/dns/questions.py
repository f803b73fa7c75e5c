"""Asks the DNS, within a few seconds in all, by the resolver of this machine."""

import ipaddress
import time
from collections.abc import Callable
from functools import cache

from dns import resolver, reversename
from dns.exception import DNSException, Timeout
from dns.rdtypes.txtbase import TXTBase

from emails.dns.dns_checks import Ask, Unanswered

SECONDS = 5.0
"""For all questions together."""
_ONE = 2.0


def machine() -> resolver.Resolver:
    """The name servers that this machine asks. Raises Unanswered if it names none."""
    try:
        return resolver.Resolver()
    except (resolver.NoResolverConfiguration, OSError):
        raise Unanswered("this machine names no name server, so nothing was looked up") from None


def questions(of: Callable[[], resolver.Resolver] | None = None) -> Ask:
    """A way to ask, each question once. Raises Unanswered from the first question without an answer in time on."""
    until, given = time.monotonic() + SECONDS, of or machine

    @cache
    def resolve() -> resolver.Resolver:
        return given()

    @cache
    def ask(name: str, kind: str) -> tuple[str, ...]:
        left = min(_ONE, until - time.monotonic())
        if left <= 0:
            raise Unanswered(f"the name servers have not answered for {SECONDS:.0f} s")
        try:
            where = reversename.from_address(name) if _is_address(name) else name
            return tuple(map(_text, resolve().resolve(where, kind, lifetime=left, search=False)))
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return ()
        except resolver.NoNameservers:
            raise Unanswered(f"{name} {kind}: the name servers answer with an error (such as SERVFAIL)") from None
        except (DNSException, ValueError) as error:
            why = "in time" if isinstance(error, Timeout) else f"({type(error).__name__})"
            raise Unanswered(f"{name} {kind}: no name server answers {why}") from None

    return ask


def _text(record: object) -> str:
    if isinstance(record, TXTBase):
        return b"".join(record.strings).decode("utf-8", "replace")
    return str(record)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
