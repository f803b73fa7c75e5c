"""Celery's own log lines when Redis or the database refuses: the sentence, without the tracebacks that repeat it."""

import logging

from celery.beat import SchedulingError
from kombu.exceptions import OperationalError
from redis import RedisError

from db.refusals import refusal

LOGGERS = ("celery.beat", "celery.worker.consumer.consumer", "celery.app.trace")
"""The clock logs two stacks for each message that it cannot publish, some two messages a second."""


class OneLine(logging.Filter):
    """Leaves a record its first line if it tells of a server that refuses; mistakes of ours keep their traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and _of_a_server(error):
            record.msg, record.args = record.getMessage().partition("\n")[0], ()
            record.exc_info = record.exc_text = None
        return True


def _of_a_server(error: BaseException) -> bool:
    return isinstance(error, SchedulingError | OperationalError | RedisError | OSError) or refusal(error) is not None


def install() -> None:
    """Let Celery's loggers write one line; to do it again changes nothing."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, OneLine) for each in logger.filters):
            logger.addFilter(OneLine())
