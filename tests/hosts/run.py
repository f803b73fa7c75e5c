"""`make hosts`: three hosts with one database, Redis and mail server; what one sick host does to the others.

The drill runs in namespaces of its own (network, processes, mounts), so nothing of it is left once it has ended,
however that came about. It needs root, iproute2 and util-linux.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PREFIX = "verdicts-hosts-"
MISSING = [name for name in ("setpriv", "unshare", "nsenter", "ip") if not shutil.which(name)]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("case", nargs="*", type=int, help="1 to 9; all of them by default")
    asked.add_argument("--letters", type=int, default=2000, help="letters of a case; the second has ten times as many")
    asked.add_argument("--delay", type=float, default=0.04, help="seconds that the mail server takes for each letter")
    asked.add_argument("--keep", action="store_true", help="keep the folder with the logs of all hosts")
    given = asked.parse_args()
    if os.geteuid() != 0 or MISSING:
        sys.exit(f"The namespaces of the drill need root{' and '.join(['', *MISSING])}.")
    words = [*map(str, given.case), "--letters", str(given.letters), "--delay", str(given.delay)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(enclosed(words, given.keep))


def enclosed(words: list[str], keep: bool) -> int:
    """Run the drill as the first process of its own namespaces: when it ends, the kernel ends all others in there."""
    clear_left_over()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    alone = ("--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    words = ["tests.hosts.drill", "--folder", str(folder), *words]
    drill = ["setpriv", "--pdeathsig", "KILL", "unshare", *alone, sys.executable, "-m", *words]
    own = folder / "runtime"
    own.mkdir(mode=0o700)
    given = os.environ | {"XDG_RUNTIME_DIR": str(own)}
    process = subprocess.Popen(drill, env=given)
    try:
        return ended(process)
    finally:
        process.kill()
        process.wait()
        if keep:
            print(f"The logs lie in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code. Ctrl-C reaches it as well, so it is given time to say how far it came."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        return 1


def clear_left_over() -> None:
    """Remove the folders of drills that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX).partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
