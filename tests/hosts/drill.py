"""The drill itself, as the first process of its namespaces: case after case, and a line for each row."""

import argparse
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hosts import cases, disagreeing, servers_gone
from tests.hosts.row import Row
from tests.hosts.site import Site

CASES: dict[int, cases.Case] = {
    1: cases.two_to_one,
    3: cases.refused,
    4: cases.vanished_with_locks,
    5: disagreeing.foreign_key,
    6: disagreeing.skewed_clocks,
    7: servers_gone.postgresql_restarts,
    8: servers_gone.servers_vanish,
    9: servers_gone.few_connections,
    2: cases.cut_and_killed,
}
"""In the order in which they run: the second comes last, because its many readers stay."""
_HEAD = ("case", "what befalls the site", "letters", "lost", "doubled", "unknown", "silence", "a second", "and")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("case", nargs="*", type=int)
    asked.add_argument("--folder", type=Path, required=True)
    asked.add_argument("--letters", type=int, required=True)
    asked.add_argument("--delay", type=float, required=True)
    given = asked.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the first process of a namespace has no default action
    logging.disable()  # what the driver says about a database that is away on purpose
    sys.exit(drill(given.case or sorted(CASES), given.letters, given.delay, given.folder))


def drill(numbers: list[int], letters: int, delay: float, folder: Path) -> int:
    began, rows = time.monotonic(), list[Row]()
    print(f"{letters:,} letters a case; the mail server takes {delay * 1000:.0f} ms for each")
    line(*_HEAD)
    whole = False
    with contextlib.suppress(KeyboardInterrupt):
        site = Site(folder, delay)
        for row in tried(site, numbers, letters):
            rows.append(row)
            line(*row.cells())
            for fault in row.faults:
                print(f"     broken: {fault}", flush=True)
        whole = True
    tell(rows)
    broken = sum(bool(row.faults) for row in rows)
    end = "" if whole else "broken off; "
    print(
        f"{end}{len(rows)} rows in {time.monotonic() - began:.0f} s, {broken} of them with a broken promise", flush=True
    )
    return 0 if whole and not broken else 1


def tell(rows: list[Row]) -> None:
    """The rows as the table of docs/reliability.md, in the order of the cases."""
    print("\n| " + " | ".join(_HEAD) + " |\n" + "|---" * len(_HEAD) + "|")
    for row in sorted(rows, key=lambda row: row.case):
        *cells, note = row.cells()
        print("| " + " | ".join([*cells, "; ".join(filter(None, [note, *row.faults]))]) + " |")
    print()


def tried(site: Site, numbers: list[int], letters: int) -> Iterator[Row]:
    """The rows of each case, which begins on a healthy site. A case that breaks off is a row too."""
    for number, case in CASES.items():
        if number not in numbers:
            continue
        try:
            site.tend()
            yield from case(site, letters)
        except Exception as error:
            yield Row(number, "broken off", faults=[f"{type(error).__name__}: {error}"])


def line(*cells: str) -> None:
    widths = (4, 52, 8, 5, 8, 8, 9, 9)
    first = [cell.ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    rest = [cell.rjust(width) for cell, width in zip(cells[2:8], widths[2:], strict=False)]
    print(*first, *rest, *cells[8:], flush=True)


if __name__ == "__main__":
    main()
