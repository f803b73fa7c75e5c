"""The stop rules (db.rules) for bounces and complaints that come later, judged from a digest's rows.

What is judged are the letters around the one that came back, in the order of sending (letters_around.py).
"""

from collections.abc import Collection, Iterator

from sqlalchemy.orm import Session

from db import rules
from db.deliveries import accounts
from db.deliveries.deliveries import Delivery
from db.deliveries.limits import stops
from db.deliveries.limits.breakers import domain_of
from db.deliveries.limits.stops import Standing, Trip
from db.digests.digests import Digest
from db.driver import driver_connection_of
from db.feedback import feedback, letters_around
from db.feedback.letters_around import IsContent

_FEWEST = int(rules.WATCHED_AT_LEAST * rules.HARD_SHARE) + 1
"""No rule stops a digest for fewer hard bounces."""
_MOST_ASKED = 100
"""For how many letters it is asked at most whether a digest would stop without its held domains: some ten ms each."""


def trips(
    session: Session, digest: Digest, kind: str, delivery: Delivery, address: str | None, is_content: IsContent
) -> list[Trip]:
    """The rules that trip now that a digest's letter has come back with this kind of bounce or complaint."""
    standing = _standing(session, digest)
    if kind == "complaint":
        return list(_complaints(session, digest, standing))
    found = list[Trip]()
    if kind == "hard" and address:
        found += _domain(session, digest, standing, delivery.id, domain_of(address))
    held = _not_judged(standing) | {each.domain for each in found if each.domain}
    return found + list(_digest(session, digest, standing, delivery.id, held, is_content))


def trips_by_now(session: Session, digest: Digest, is_content: IsContent) -> list[Trip]:
    """The rule that trips now that more letters have been sent since the last one came back, if any does.

    It is enough to ask for the last letter of each kind: whatever later letter ends a span of 500 in which another one
    is, the last one is in that span, too.
    """
    standing = _standing(session, digest)
    left_out = _not_judged(standing)
    for kind in ("hard", "content"):
        last = letters_around.last_back(session, digest, kind, left_out)
        if last and (found := list(_digest(session, digest, standing, last, left_out, is_content))):
            return found
    return []


def would_stop(session: Session, digest: Digest, is_content: IsContent) -> bool:
    """Whether a digest would be stopped, too, if what came back from held domains is left out.

    Any span that trips has at least so many hard bounces that asking for each sixth of them finds it.
    """
    standing = _standing(session, digest)
    left_out = _not_judged(standing)
    asked = letters_around.all_hard(session, digest, left_out)[_FEWEST - 1 :: _FEWEST]
    tripped = (_digest(session, digest, standing, each, left_out, is_content) for each in asked)
    return len(asked) > _MOST_ASKED or any(any(each) for each in tripped)


def _standing(session: Session, digest: Digest) -> Standing:
    with driver_connection_of(session) as driver:
        return stops.standing(driver, digest.id)


def _not_judged(standing: Standing) -> frozenset[str]:
    """Domains whose refusals count no more against the digest: they are held, or a person has released them so often
    for it that no rule holds them again."""
    most = rules.DOMAIN_WATCHED
    return standing.held | {name for name, times in standing.released.items() if not rules.holds_domain(most, times)}


def _complaints(session: Session, digest: Digest, standing: Standing) -> Iterator[Trip]:
    complaints = feedback.complaints(session, digest.id)
    if complaints >= rules.COMPLAINTS_AT_LEAST:
        sent = accounts.progress(session, digest).states["sent"]
        if rules.complaints_stop(sent, complaints, standing.seen):
            yield Trip("complaint", None, complaints, sent)


def _digest(
    session: Session, digest: Digest, standing: Standing, number: int, held: Collection[str], is_content: IsContent
) -> Iterator[Trip]:
    """Of the last 500 letters, leaving out those that came back from a held domain: that is the domain's fault."""
    letters = letters_around.around(session, digest, number, rules.WATCHED)
    hard, content = (letters_around.came_back(session, digest, letters, kind) for kind in ("hard", "content"))
    hard |= letters_around.refused_at_once(session, digest, letters)
    content |= letters_around.blamed_at_once(session, digest, letters, is_content)
    left_out = letters_around.at_domains(session, hard, held) if held else set()
    letters = [each for each in letters if each.person not in left_out]
    fates: list[rules.Fate] = [
        "hard" if each.person in hard else "content" if each.person in content else "taken" for each in letters
    ]
    place = next((at for at, each in enumerate(letters) if each.id == number), None)
    if place is not None and (tripped := rules.stops_among(fates, place, standing.seen)):
        yield Trip(tripped.rule, None, tripped.refused, tripped.letters)


def _domain(session: Session, digest: Digest, standing: Standing, number: int, domain: str) -> Iterator[Trip]:
    if domain in standing.held or not rules.holds_domain(letters_around.suppressed_at(session, digest, domain)):
        return
    letters = letters_around.around(session, digest, number, rules.DOMAIN_WATCHED, domain)
    hard = letters_around.came_back(session, digest, letters, "hard") | letters_around.refused_at_once(
        session, digest, letters
    )
    place = next((at for at, each in enumerate(letters) if each.id == number), None)
    released = standing.released.get(domain, 0)
    if place is not None and (tripped := rules.holds_among([each.person in hard for each in letters], place, released)):
        yield Trip("hard", domain, tripped.refused, tripped.letters)
