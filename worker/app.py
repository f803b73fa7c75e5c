"""The Celery application: its messages only wake workers, so none of them has to be kept.

A message carries a task's name and no more; the task reads from the tables what there is to do. So the settings may
lose, repeat or delay messages, but may not block a producer.
"""

import warnings
from functools import cached_property
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging
from celery.utils.dispatch import Signal
from kombu.exceptions import OperationalError
from redis import RedisError

from db.settings import settings
from worker import celery_log, redis_client
from worker.processes import logs, schedule

VISIBILITY = 600
"""Seconds after which Redis gives a message to somebody else, if the worker that took it has not acknowledged it."""
MANY = 20
"""A queue with so many messages needs no further one, whatever they are."""

# Celery warns root about pickled messages; we accept JSON only, and use nothing of it but the task's name.
warnings.filterwarnings("ignore", category=SecurityWarning)

celery_log.install()
setup_logging.connect(logs.take_over)

asked_to_ring = Signal(name="asked_to_ring")
"""Sent before a message is published, also if it turns out that one waits already."""


class Verdicts(Celery):  # type: ignore[misc]  # Celery carries no types
    """Celery with our parent process, and with one message of a task at most in a queue.

    So messages need not expire, which would go by the clocks of two hosts, and a queue that nobody reads stays short.
    """

    @cached_property
    def Worker(self) -> Any:  # noqa: N802  Celery's name
        return self.subclass_with_self("worker.parent:Worker")

    def send_task(self, name: str, *given: Any, queue: Any = None, producer: Any = None, **named: Any) -> Any:
        """Publish a message, unless the queue holds one of that task. Two publishers may see none and publish two."""
        asked_to_ring.send(sender=name)
        with self.producer_or_acquire(producer) as publisher:
            if queue is not None and _waits(publisher, str(queue), name):
                return None
            return super().send_task(name, *given, queue=queue, producer=publisher, **named)


def _waits(publisher: Any, queue: str, task: str) -> bool:
    """Whether the queue holds a message of that task, by a look at the list in which kombu keeps it."""
    try:
        waiting = publisher.channel.client.execute_command("LRANGE", redis_client.PREFIX + queue, 0, MANY)
    except RedisError as error:
        raise OperationalError(str(error)) from error
    return len(waiting) > MANY or any(f'"task": "{task}"'.encode() in each for each in waiting)


app = Verdicts("verdicts", include=["worker.celery_signals"])


def _configuration() -> dict[str, Any]:
    """Read when a process first needs the broker, so that importing this module needs no settings."""
    return {
        **redis_client.broker(settings()),
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY,
            "global_keyprefix": redis_client.PREFIX,
            "socket_timeout": 5,
            "socket_connect_timeout": 3,
            "health_check_interval": 10,
            # These limit a producer's first connection, which would otherwise retry for minutes.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.2,
        },
        "broker_connection_retry_on_startup": True,
        "broker_channel_error_retry": True,
        "task_ignore_result": True,  # there is no result backend: with one, a publish blocks 19 s without Redis
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,  # a task that kills its worker would be redelivered for ever
        "worker_prefetch_multiplier": 1,
        "broker_connection_max_retries": None,  # the children work without Redis, however long it is away
        "worker_consumer": "worker.parent:Consumer",
        "worker_proc_alive_timeout": 7 * 86400,  # while it waits for Redis, Celery does not hear that a child is up
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "beat_schedule": schedule.beat(),
        "beat_scheduler": "celery.beat.Scheduler",  # keeps no file: the tables say what is due, however often beat asks
        "beat_max_loop_interval": 30,
        "timezone": "UTC",
    }


app.add_defaults(_configuration)
