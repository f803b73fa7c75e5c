"""The database's errors as doors catch them, so that no floor above this one imports SQLAlchemy for their names."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

__all__ = [
    "DBAPIError",
    "DataError",
    "IntegrityError",
    "OperationalError",
    "PoolTimeout",
    "ProgrammingError",
    "SQLAlchemyError",
]
