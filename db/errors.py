"""Re-exports SQLAlchemy's exceptions, so that callers in other packages do not import SQLAlchemy."""

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
