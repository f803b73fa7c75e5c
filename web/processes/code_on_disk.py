"""Notices that another release was pulled under a running site: new code would be loaded beside old packages.

It imports nothing but Python's own library, because it has to run where the new code's packages are missing.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTED_AS = "VERDICTS_STARTED_AS"
"""The environment variable in which `verdicts up` hands its fingerprint to the processes that it starts."""
TOLD = (
    "another release lies on the disk than the one that is running. {what} not started again, because it would load"
    " new code beside old packages. Stop with Ctrl-C, and start again with make up."
)
LOOK_AGAIN_SECONDS = 1.0


def fingerprint() -> str:
    """A hash of what a process is started with: the release, the locked packages, and the revisions of the database."""
    digest = hashlib.sha256()
    for name in ("db/schema.py", "requirements.lock", "pyproject.toml"):
        path = ROOT / name
        digest.update(path.read_bytes() if path.exists() else b"")
    digest.update("\n".join(sorted(path.name for path in (ROOT / "db/migrations/versions").glob("[0-9]*.py"))).encode())
    return digest.hexdigest()


def hold_if_changed(meanwhile: Callable[[], object] = lambda: None) -> None:
    """Block while the code on disk differs from what the site was started with. Processes that loaded the old code
    go on serving meanwhile. `meanwhile` is called every second."""
    started_as = os.environ.get(STARTED_AS)
    if not started_as or fingerprint() == started_as:
        return
    print(TOLD.format(what="This web process is"), file=sys.stderr, flush=True)
    while fingerprint() != started_as:
        meanwhile()
        time.sleep(LOOK_AGAIN_SECONDS)
