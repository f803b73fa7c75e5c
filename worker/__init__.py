"""Workers: the Celery tasks, the reactions to events, and the senders."""

import sys

# structlog imports rich if there is one, and with it pygments, for tracebacks that we do not use: 5 MB a process.
_hidden = "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]

from worker.processes import logs  # noqa: E402

if _hidden:
    del sys.modules["rich"]

logs.configure()
