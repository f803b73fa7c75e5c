"""Celery's worker with a soft shutdown that ends when the work has ended; Celery's own always sleeps its time out."""

import time
from typing import Any

from celery.apps.worker import Worker as CeleryWorker

from worker import ending


class Worker(CeleryWorker):  # type: ignore[misc]  # Celery carries no types
    """The parent of the processes that work."""

    def wait_for_soft_shutdown(self) -> None:
        """Tell the children to end, and wait until they have. Celery then ends those that have not."""
        ending.tell_children()
        processes: list[Any] = list(self.pool._pool._pool) if self.pool and self.pool._pool else []
        until = time.monotonic() + ending.WORK_SECONDS + ending.BREAK_SECONDS + 1
        while any(each._is_alive() for each in processes) and time.monotonic() < until:
            time.sleep(0.02)
