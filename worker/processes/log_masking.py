"""No address of anybody stands in a record of Python's own logging: it is masked in its line and its traceback."""

import logging
import traceback
from contextlib import suppress
from typing import Any

from db.masking import masked_in


def install() -> None:
    """Mask the records of Python's own logging too, which web servers, Celery and Alembic use."""
    logging.setLogRecordFactory(_masked_record)


def _masked_record(*given: Any, **named: Any) -> logging.LogRecord:
    record = logging.LogRecord(*given, **named)
    with suppress(TypeError, ValueError):  # arguments that do not fit: the handler tells of those
        record.msg, record.args = masked_in(record.getMessage()), None
    if record.exc_info and record.exc_info[0]:
        record.exc_text = masked_in("".join(traceback.format_exception(*record.exc_info))).rstrip("\n")
    return record
