"""A crash test's sender imports this with `--include`: it cuts slices and the soft-shutdown time-out to a fifth."""

from worker import send_slice
from worker.app import app

SHARE = 0.2

send_slice.SLICE *= SHARE
app.conf.worker_soft_shutdown_timeout *= SHARE  # Celery always waits for all of it, even if the slice ends sooner
