"""Which digest a vote link came from: such a link works as long as the delivery of its letter is kept."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.deliveries.deliveries import Delivery
from db.digests.digests import Digest


def digest_of(session: Session, delivery_id: int, person: str) -> Digest | None:
    """The digest that this delivery brought to this person; None once the delivery is removed."""
    # The person is compared, too: a database restored from a back-up gives the numbers of later deliveries once more.
    of_theirs = Delivery.id == delivery_id, Delivery.person == person, Delivery.letter == "digest"
    return session.scalar(select(Digest).join(Delivery, Delivery.about == Digest.id).where(*of_theirs))
