"""How near the wire the sender comes: beside `smtp-source` into `smtp-sink`, and in CPU, letter by letter.

`python -m tests.bench.wire` prints both. Every round measures all sides one after the other; the median round counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from db.settings import settings
from tests.bench import postfix, servers
from tests.bench.postfix import Postfix
from tests.bench.sender import KEYS, composer, taken

Reached = list[tuple[str, bool]]
SIGNED = ("none", "ed25519", "rsa")
ALONE_US = {"none": 100, "ed25519": 280, "rsa": 700}
LEDGER_US = {"none": 250, "ed25519": 420, "rsa": 900}
WINDOWS = (1, 4, 8, 16)
DEFAULT_WINDOW = 8
NAMES = {"none": "unsigned", "ed25519": "ed25519", "rsa": "RSA-2048"}
WIRE = ("none", "rsa")
KEPT = (1, 4)
"""Connections beside smtp-source."""
LEDGER = ", claims and settles"
LEAST = {
    (4, "unsigned"): 0.7,
    (1, "unsigned" + LEDGER): 0.9,
    (4, "unsigned" + LEDGER): 0.78,
    (4, "RSA-2048"): 0.5,
}
"""The least part of smtp-source's rate, by connections and what is sent."""


def send(port: int, letters: int, sign: str, database: str = "", **variables: object) -> dict[str, Any]:
    """One process that sends so many letters; what tests/bench/sender.py found. Without a database it sends alone."""
    command = [sys.executable, "-m", "tests.bench.sender", "--letters", str(letters), "--sign", sign]
    environment = {**os.environ, "MAIL_URL": f"smtp://127.0.0.1:{port}"}
    environment |= {name: str(value) for name, value in variables.items()}
    if database:
        environment["DATABASE_URL"] = database
    else:
        command.append("--alone")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def as_postfix_reads_it(folder: Path) -> Path:
    """One of our messages in a file, its lines ended as smtp-source wants them."""
    os.environ.setdefault("MAIL_FROM", "Weekly AI Tool Verdicts <digest@verdicts.example>")
    settings.cache_clear()
    message = composer().write(taken(1)).message
    file = folder / "message"
    file.write_bytes(message.replace(b"\r\n", b"\n"))
    return file


# ---- beside smtp-source --------------------------------------------------------------------------------------


def beside_postfix(folder: Path, letters: int, rounds: int) -> Reached:
    """Letters a second of both into smtp-sink: one process each, and as many kept connections each."""
    try:
        tools = postfix.tools(folder)
    except postfix.Missing as why:
        print(f"\nBeside smtp-source: not measured, {why}.")
        return [(f"{_target(*of)}: not measured", False) for of in LEAST]
    message = as_postfix_reads_it(folder)
    size = message.stat().st_size / 1000
    print(f"\nOne process, kept connections, {size:.0f} KB, into smtp-sink ({letters} letters, median of {rounds})")
    ratios = {}
    with tools.sink() as port:
        for connections in KEPT:
            found = _race(tools, port, message, connections, letters, rounds, servers.sqlite(folder))
            print(f"  {connections} {'connection' if connections == 1 else 'connections'}")
            for name, rates in found.items():
                beside = zip(rates, found["smtp-source"], strict=True)
                ratio = ratios[connections, name] = statistics.median(rate / of for rate, of in beside)
                print(f"    {name:31}{statistics.median(rates):7,.0f} a second   {ratio:.2f} of smtp-source")
    return [(f"{_target(*of)}: {ratios[of]:.2f}", ratios[of] >= least) for of, least in LEAST.items()]


def _target(connections: int, name: str) -> str:
    over = "1 connection" if connections == 1 else f"{connections} connections"
    return f"{name}, over {over}: at least {LEAST[connections, name]} of smtp-source"


def _race(
    tools: Postfix, port: int, message: Path, connections: int, letters: int, rounds: int, fresh: servers.Fresh
) -> dict[str, list[float]]:
    """Each one's letters a second, round by round."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        found.setdefault("smtp-source", []).append(tools.rate(port, message, letters, connections))
        for sign in WIRE:
            for name, database in ((NAMES[sign], ""), (NAMES[sign] + LEDGER, fresh())):
                rate = send(port, letters, sign, database, SEND_CONNECTIONS=connections)["per_second"]
                found.setdefault(name, []).append(rate)
    return found


# ---- CPU -----------------------------------------------------------------------------------------------------


def cpu(folder: Path, letters: int, rounds: int) -> Reached:
    """User and system time a letter: alone, and with the ledger at every window on both databases."""
    print(f"\nCPU of the sender a letter, µs (58 KB, {letters} letters; alone and by SEND_WINDOW)")
    print("                   " + "".join(f"{NAMES[sign]:>10}" for sign in SIGNED))
    with servers.taker(folder) as port, servers.postgresql() as postgresql:
        costs = {sign: _median(port, letters, sign, rounds) for sign in SIGNED}
        _line("alone", costs)
        _line("  signing, of it", {"none": 0.0} | {kind: _signature_us(kind) for kind in KEYS})
        reached = _within("alone", costs, ALONE_US)
        for kind, fresh in (("SQLite", servers.sqlite(folder)), ("PostgreSQL", postgresql)):
            for window in WINDOWS:
                times = rounds if window == DEFAULT_WINDOW else 1
                costs = {sign: _median(port, letters, sign, times, fresh, SEND_WINDOW=window) for sign in SIGNED}
                _line(f"{kind}, {window}", costs)
                if window == DEFAULT_WINDOW:
                    reached += _within(f"with the ledger on {kind}", costs, LEDGER_US)
    return reached


def _signature_us(kind: str) -> float:
    """What the cryptographic library takes for one signature here: no signer of mail can be cheaper."""
    key = KEYS[kind]()
    how = (PKCS1v15(), SHA256()) if isinstance(key, RSAPrivateKey) else ()
    costs = []
    for _ in range(300):
        began = time.process_time_ns()
        key.sign(b"x" * 800, *how)
        costs.append((time.process_time_ns() - began) / 1000)
    return statistics.median(costs)


def _median(
    port: int, letters: int, sign: str, times: int, fresh: servers.Fresh | None = None, **variables: object
) -> float:
    return statistics.median(
        send(port, letters, sign, fresh() if fresh else "", **variables)["cpu_us"] for _ in range(times)
    )


def _line(name: str, costs: Mapping[str, float]) -> None:
    print(f"  {name:17}" + "".join(f"{costs[sign]:10,.0f}" for sign in SIGNED), flush=True)


def _within(where: str, costs: Mapping[str, float], most: Mapping[str, int]) -> Reached:
    return [
        (f"a letter {where}, {NAMES[sign]}: at most {most[sign]} µs: {costs[sign]:.0f}", costs[sign] <= most[sign])
        for sign in SIGNED
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # smtp-sink runs as nobody
        os.environ["SECRET_KEY"] = "a key for measuring"
        os.chdir(folder)
        reached = beside_postfix(folder, given.letters, given.rounds) + cpu(folder, given.letters, given.rounds)
    return told(reached)


def told(reached: Reached) -> int:
    """Print which targets are reached; exit code 1 when one is missed."""
    print()
    for said, good in reached:
        print(("✓ " if good else "✕ ") + said)
    return 0 if all(good for _, good in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
