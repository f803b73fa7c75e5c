"""Fills a table with a million rows in one statement, in the SQL dialect of either database."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.session import is_sqlite


class Filler:
    """Fills tables by INSERT … SELECT over a series of numbers, `i`, in the SQL dialect of either database."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now, self._sqlite = session, now, is_sqlite(session)

    def ago(self, seconds: str) -> str:
        """SQL for the moment that lies `seconds` before now."""
        if self._sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f', :now - ({seconds}), 'unixepoch') || '000'"
        return f"to_timestamp(CAST(:now AS double precision) - ({seconds}))"

    def json(self, sql: str) -> str:
        return sql if self._sqlite else f"CAST({sql} AS json)"

    def fill(self, table: str, number: int, of: str = "n", when: str = "", /, **columns: str) -> None:
        """Insert rows. Each column is an SQL expression over `i`, from 1 to `number`, or over the table `of`."""
        series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number) "
        select = f"SELECT {', '.join(columns.values())} FROM {of}{when and ' WHERE ' + when}"
        self.order(f"INSERT INTO {table} ({', '.join(columns)}) {series}{select}", number=number)

    def order(self, sql: str, **given: object) -> None:
        self._session.execute(text(sql), {"now": self._now.timestamp()} | given if ":now" in sql else given)
