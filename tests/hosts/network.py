"""Computers on one wire: each a network namespace with a name, an address and a port on a bridge that can be pulled."""

import subprocess
from collections.abc import Sequence

NET = "10.77.0"
DESK = f"{NET}.254"
"""The address of this process, to which the bridge belongs: the drill sits at it, and readers ask from it."""
_NOBODY = "02:00:00:00:ff:ff"


def order(*words: str) -> None:
    """Run a command, and raise what it said on standard error if it failed."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


class Wire:
    """The bridge, in the network namespace of this process (tests/hosts/run.py makes one for itself)."""

    NAME = "wire"

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        order("ip", "link", "set", "lo", "up")
        order("ip", "link", "add", self.NAME, "address", "02:00:00:00:00:fe", "type", "bridge")
        order("ip", "addr", "add", f"{DESK}/24", "dev", self.NAME)
        order("ip", "link", "set", self.NAME, "up")

    def node(self, name: str) -> "Node":
        """Another computer, which knows all others by their hardware addresses."""
        made = Node(name, len(self._nodes) + 1)
        for other in self._nodes:
            made.hear(other)
            other.hear(made)
        self._nodes.append(made)
        return made


class Node:
    """One computer. It is there as long as its holder runs, which ends with the drill."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.address = name, f"{NET}.{number}"
        self._hardware, self._port = f"02:00:00:00:00:{number:02x}", f"to-{name}"
        holder = ["unshare", "--net", "--uts", "sh", "-c", f"hostname {name} && echo up && exec sleep infinity"]
        self._holder = subprocess.Popen(holder, stdout=subprocess.PIPE)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"up\n", f"no namespace for {name}"
        self.within = ("nsenter", "--target", str(self._holder.pid), "--net", "--uts", "--")
        """The words before a command that let it run on this computer."""
        peer = ("peer", "name", "eth0", "address", self._hardware, "netns", str(self._holder.pid))
        order("ip", "link", "add", self._port, "type", "veth", *peer)
        order("ip", "link", "set", self._port, "master", Wire.NAME, "up")
        order(*self.within, "ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            order(*self.within, "ip", "link", "set", link, "up")

    # ---- what can befall it ------------------------------------------------------------------------------

    def cut(self) -> None:
        """Lose every packet from and to it. Its own link stays up, so that it is told nothing."""
        order("ip", "link", "set", self._port, "nomaster")

    def join(self) -> None:
        order("ip", "link", "set", self._port, "master", Wire.NAME)

    def lose(self, other: "Node") -> None:
        """Lose every packet between these two alone: each sends to a hardware address that nobody has."""
        self._believe(other, _NOBODY)
        other._believe(self, _NOBODY)

    def find(self, other: "Node") -> None:
        self.hear(other)
        other.hear(self)

    def hear(self, other: "Node") -> None:
        """Know the other's hardware address for ever. Without that, the kernel would ask for it, and soon tell the
        programs of a computer that is cut off that there is no way to the other."""
        self._believe(other, other._hardware)

    def _believe(self, other: "Node", hardware: str) -> None:
        given = ("lladdr", hardware, "dev", "eth0", "nud", "permanent")
        order(*self.within, "ip", "neigh", "replace", other.address, *given)

    def refuse(self, address: str) -> None:
        """Connections from here to that address are refused at once, as a relay's firewall would (RST)."""
        order(*self.within, "ip", "addr", "add", f"{address}/32", "dev", "lo")

    def admit(self, address: str) -> None:
        order(*self.within, "ip", "addr", "del", f"{address}/32", "dev", "lo")

    def popen(self, words: Sequence[str], **more: object) -> "subprocess.Popen[bytes]":
        """A process on this computer."""
        return subprocess.Popen([*self.within, *words], **more)  # type: ignore[call-overload, no-any-return]
