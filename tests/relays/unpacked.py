"""Debian's packages, downloaded and unpacked but not installed: mail servers conflict with one another.

A server sees this machine with its packages laid over it (an overlay in a mount namespace of its own), and this test's
folder as /srv/relay. Its process is the first of a PID namespace, so all that it starts ends with it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from worker.redis import end_with_parent

HERE = "/srv/relay"
"""The server's name for its folder."""
_KEPT = Path(tempfile.gettempdir()) / "verdicts-relays"
"""Packages that were downloaded before; those of another suite in a folder of its name."""
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_USERS = ("postfix", "postdrop", "postgrey", "Debian-exim", "opensmtpd", "opensmtpq", "vmail")

MISSING = [name for name in ("apt-get", "dpkg-deb", "unshare", "openssl") if not shutil.which(name)] + (
    [] if os.geteuid() == 0 else ["the rights of root"]
)

_RUN = """set -e
mount -t overlay overlay -o lowerdir=/,upperdir={base}/up,workdir={base}/work {base}/whole
mount --rbind /dev {base}/whole/dev
mount -t proc proc {base}/whole/proc
mkdir -p {base}/whole/srv/relay
mount --bind {base}/relay {base}/whole/srv/relay
cp {base}/passwd {base}/whole/etc/passwd
cp {base}/group {base}/whole/etc/group
chroot {base}/whole /bin/sh -e /srv/relay/start.sh
"""


class Unpacked:
    """One server from these packages of this machine's release, or of `suite`; `folder` is what it calls /srv/relay."""

    def __init__(self, packages: Sequence[str], suite: str = "") -> None:
        # An overlay's upper layer may not lie on another overlay, as a container's own disk does: tmpfs always does.
        self._base = Path(tempfile.mkdtemp(prefix="verdicts-relay-", dir="/dev/shm"))
        for name in ("up", "work", "whole", "relay"):
            (self._base / name).mkdir()
        self._base.chmod(0o755)
        self.folder = self._base / "relay"
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", str(_downloaded(package, suite)), str(self._base / "up")], check=True)
        self._follow_merged_usr()
        self._add_users()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, script: str) -> None:
        """Run the shell script in that world; its last command stays in the foreground."""
        (self.folder / "start.sh").write_text(script)
        (self._base / "run.sh").write_text(_RUN.format(base=self._base))
        said = (self.folder / "said").open("wb")
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", str(self._base / "run.sh")]
        self._process = subprocess.Popen(words, preexec_fn=end_with_parent, stdout=said, stderr=said)

    def is_up(self) -> bool:
        """Whether the script's last command still runs."""
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """What the server wrote to its output, and into its logs."""
        files = [self.folder / "said", *sorted(self.folder.glob("*log"))]
        return "\n".join(each.read_text(errors="replace") for each in files if each.exists())

    def end(self) -> None:
        """End the server with all that it started, and forget its folder."""
        if self._process:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self._base, ignore_errors=True)

    def _follow_merged_usr(self) -> None:
        """On this machine /lib and /bin are links into /usr: a folder laid over such a link would hide it."""
        for name in ("lib", "bin", "sbin"):
            if (found := self._base / "up" / name).is_dir() and Path("/", name).is_symlink():
                shutil.copytree(found, self._base / "up/usr" / name, dirs_exist_ok=True, symlinks=True)
                shutil.rmtree(found)

    def _add_users(self) -> None:
        """The users and groups that installing would have made."""
        for file, line in (
            ("passwd", "{name}:x:{number}:{number}::/nonexistent:/bin/false"),
            ("group", "{name}:x:{number}:"),
        ):
            known = Path("/etc", file).read_text().rstrip("\n").splitlines()
            names = {each.partition(":")[0] for each in known}
            known += [line.format(name=name, number=30_000 + at) for at, name in enumerate(_USERS) if name not in names]
            (self._base / file).write_text("\n".join(known) + "\n")


def _downloaded(package: str, suite: str) -> Path:
    kept = _KEPT / suite
    kept.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(kept.glob(f"{package}_*.deb"))):
        _apt(kept, *(_only(suite, kept) if suite else ()), "download", package)
        found = sorted(kept.glob(f"{package}_*.deb"))
    return found[-1]


def _only(suite: str, kept: Path) -> list[str]:
    """Options that let apt see that suite of this machine's archive alone, with lists of its own."""
    sources, lists = kept / "sources.list", kept / "lists"
    options = [f"-oDir::Etc::sourcelist={sources}", "-oDir::Etc::sourceparts=-", f"-oDir::State::lists={lists}"]
    if not sources.exists():
        asked = [
            "apt-get",
            "indextargets",
            "--format",
            "$(SITE) $(COMPONENT)",
            "Created-By: Packages",
            "Origin: Debian",
        ]
        sites = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
        site = next(each.removesuffix(" main") for each in sites if each.endswith(" main"))
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        sources.write_text(f"deb [signed-by={_KEYS}] {site} {suite} main\n")
        _apt(kept, *options, "update")
    return options


def _apt(folder: Path, *words: str) -> None:
    subprocess.run(["apt-get", "-q", *words], cwd=folder, check=True, capture_output=True, timeout=300)
