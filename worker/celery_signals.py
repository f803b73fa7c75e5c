"""What Celery's processes begin with: they wait for the schema, and then each writes its heartbeats."""

from importlib import import_module
from typing import Any

from celery.signals import beat_init, celeryd_after_setup, celeryd_init, worker_process_init, worker_ready

from db.engine import close_idle
from worker.app import app, asked_to_ring
from worker.processes import heartbeats, schema_gate

celeryd_after_setup.connect(schema_gate.wait_for_schema)
beat_init.connect(schema_gate.wait_for_schema)


@celeryd_init.connect
def _have_work(**_: Any) -> None:
    # The clock names tasks and runs none: without the work it takes a third less memory.
    import_module("worker.tasks")


@worker_process_init.connect
def _in_a_child(**_: Any) -> None:
    # The parent has no thread: it goes on forking, and a child would find a lock held for ever that the thread held.
    heartbeats.start("sender" if "mail" in app.amqp.queues.consume_from else "worker")


@worker_ready.connect
def _in_the_parent(**_: Any) -> None:
    close_idle(0)  # it needed the database only before it began to fork


def _at_a_ring(**_: Any) -> None:
    heartbeats.at_work("clock")


@beat_init.connect
def _in_the_clock(**_: Any) -> None:
    # Other processes ring too, but only for the clock that is its work.
    asked_to_ring.connect(_at_a_ring)
    heartbeats.start("clock")
