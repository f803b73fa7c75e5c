"""Who gets a letter: the address and the consent that stand behind a delivery."""

from datetime import datetime

from sqlalchemy.orm import Session

from db.driver import driver_connection_of, moment_of
from db.persons import number_in

ADDRESS = "coalesce(s.address, t.address, o.address) AS address"
WITH_RECIPIENT = (
    " FROM deliveries AS d"
    " LEFT JOIN subscribers AS s"
    f" ON s.id = {number_in('d.person')}"
    " LEFT JOIN test_letters AS t ON d.letter = 'test' AND t.id = d.about"
    f" LEFT JOIN operators AS o ON o.id = {number_in('d.person', 'operator')}"
)


def recipient(session: Session, delivery_id: int) -> tuple[str | None, datetime | None]:
    """The address of a delivery's recipient, if it is still known, and since when they are a subscriber."""
    with driver_connection_of(session) as driver:
        [(address, since)] = driver.fetch(
            f"SELECT {ADDRESS}, s.confirmed_at{WITH_RECIPIENT} WHERE d.id = ?", (delivery_id,)
        )
    return address, moment_of(since)
