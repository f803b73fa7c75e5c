"""Included by a sender of a crash test: its slices, and its patience at TERM, are a fifth as long."""

from worker import send_slice
from worker.app import app

SHARE = 0.2

send_slice.SLICE *= SHARE
app.conf.worker_soft_shutdown_timeout *= SHARE  # Celery sits it out, however soon the slice ends
