"""An application with requests that never end, and a front that notices it within a second instead of ten minutes."""

import os
import threading

from flask import Flask

from web.front import threads, time_limits

threads.STUCK_SECONDS = 1.0
time_limits.LAST_SECONDS = 0.5
app = Flask(__name__)


@app.get("/never")
def never() -> str:
    threading.Event().wait()
    return "never"


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())
