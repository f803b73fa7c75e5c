"""Celery's worker as our parent process: it ends when its children have ended, and replaces them also without Redis."""

import time
from collections.abc import Callable
from typing import Any

from celery.apps.worker import Worker as CeleryWorker
from celery.worker.consumer import Consumer as CeleryConsumer

from worker.processes import ending


class Worker(CeleryWorker):  # type: ignore[misc]  # Celery carries no types
    """Its soft shutdown waits for the work in hand; Celery's own always sleeps its time out."""

    def wait_for_soft_shutdown(self) -> None:
        """Tell the children to end, and wait until they have. Celery then ends those that have not."""
        ending.tell_children()
        processes: list[Any] = list(self.pool._pool._pool) if self.pool and self.pool._pool else []
        until = time.monotonic() + ending.WORK_SECONDS + ending.BREAK_SECONDS + 1
        while any(each._is_alive() for each in processes) and time.monotonic() < until:
            time.sleep(0.02)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """It looks after the children while it waits for Redis; Celery's own stands still until Redis is back."""

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for Redis, and start a child in place of each that has ended."""
        wait = conn.ensure_connection

        def wait_and_maintain(errback: Any, max_retries: Any, callback: Callable[[], None]) -> Any:
            def each_second() -> None:
                if self.pool._pool.on_process_up:  # else it was never connected, and nothing can be replaced yet
                    self.pool.maintain_pool()
                callback()

            return wait(errback, max_retries, callback=each_second)

        conn.ensure_connection = wait_and_maintain
        return super().ensure_connected(conn)
