"""The Celery application: its messages only wake workers, so none of them has to be kept.

A message carries a task's name and no more; the task reads from the tables what there is to do. So the settings may
lose, repeat or delay messages, but may not block a producer, or let a task outlive the visibility time-out.
"""

import warnings
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning

from db.settings import settings
from worker import celery_log, redis_client, schedule

SOFT_LIMIT, HARD_LIMIT = 120, 150
SENDER_LIMIT = 420
"""A sender may wait 300 s for the reply after the final dot (RFC 5321 4.5.3.2.6) and must live to record it."""
VISIBILITY = 600
assert VISIBILITY > SENDER_LIMIT + 60, "a task that outlives the visibility time-out is run twice at the same time"

# Celery warns root about pickled messages; we accept JSON only, and use nothing of it but the task's name.
warnings.filterwarnings("ignore", category=SecurityWarning)

celery_log.install()

app = Celery("verdicts", include=["worker.tasks"])


def _configuration() -> dict[str, Any]:
    """Read when a process first needs the broker, so that importing this module needs no settings."""
    return {
        **redis_client.broker(settings()),
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY,
            "global_keyprefix": "verdicts:",
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
        "task_soft_time_limit": SOFT_LIMIT,
        "task_time_limit": HARD_LIMIT,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 500,
        "worker_soft_shutdown_timeout": 20,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "beat_schedule": schedule.beat(),
        "beat_scheduler": "celery.beat.Scheduler",  # keeps no file: the tables say what is due, however often beat asks
        "beat_max_loop_interval": 30,
        "timezone": "UTC",
    }


app.add_defaults(_configuration)
