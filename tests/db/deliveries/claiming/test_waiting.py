"""Letters that wait are found by their own index, past any number that were sent: else each claim would be slower than
the one before. The table is large enough to tempt PostgreSQL.
"""

import pytest
from sqlalchemy import text

from db.deliveries import deliveries
from db.deliveries.claiming import claims
from db.monitoring import ages
from db.session import reading, writing

_MANY = (
    "INSERT INTO deliveries (letter, about, person, state, not_before, tries, created_at)"
    " WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each WHERE n < 60000)"
    " SELECT 'digest', 1, 'subscriber:' || n, CASE WHEN n > 20000 THEN 'pending' ELSE 'sent' END,"
    " CAST(:now AS timestamp), 0, CAST(:now AS timestamp) FROM each"
)


QUESTIONS = {
    "since when letters are owed": ages._FIRST.element.text,
    "whether a letter waits": deliveries.FIRST_WAITING.text,
    "what is owed": claims._OWED.text,
    "what a claim takes": claims._DUE_OF_DIGEST,
    "whether a digest is finished": f"SELECT 1 WHERE {deliveries._NOTHING_OWED.text}",
}


@pytest.mark.parametrize("asked", QUESTIONS)
def test_letters_that_wait_are_found_past_all_that_were_sent(database, asked):
    on_sqlite = database.startswith("sqlite")
    with writing() as session:
        now = {"now": "2026-11-18 08:00:00.000000"}
        session.execute(text(_MANY.replace("CAST(:now AS timestamp)", ":now") if on_sqlite else _MANY), now)
        session.execute(text("ANALYZE deliveries"))
    question = QUESTIONS[asked]
    for value in (":digest", "1"), (":now", "'2026-11-19 08:00'"), (":limit", "1000"):
        question = question.replace(*value)
    if asked == "what a claim takes":
        question = question.replace("?", "1", 2).replace("?", "'2026-11-19 08:00'", 1).replace("?", "200")
    with reading() as session:
        plan = session.execute(text(("EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN ") + question)).all()
    assert "ix_deliveries_waiting" in str(plan)
    assert "pk_deliveries" not in str(plan)
    assert "Seq Scan on deliveries" not in str(plan)
