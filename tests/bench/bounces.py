"""`python -m tests.bench.bounces FOLDER`: how well the bounce reader reads a folder of mails with known answers.

The folder holds `mails/` and `expected.jsonl`, whose lines name a file, its recipients and its kind: hard, soft,
content, complaint, auto, or none for what changes nothing. `--misses` lists the mails that were read wrongly.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

from emails.bounces import Finding, read, summary

_NOBODY = "@libsisimai.org.invalid"
"""The end of the addresses that stand in the answers for a recipient whom the mail does not name."""


class Score(NamedTuple):
    """One mail's answer and what was found."""

    file: str
    expected: dict[str, Any]
    found: tuple[Finding, ...]

    @property
    def kind(self) -> str:
        """The kind of the whole mail, where answers call a notice of delay by its trouble."""
        return summary.kind_of(self.found)

    @property
    def recipients_right(self) -> bool:
        right = {each.lower() for each in self.expected["recipients"] if not each.endswith(_NOBODY)}
        return {each.recipient.lower() for each in self.found if each.recipient} == right


def scores(folder: Path) -> Iterator[Score]:
    """The score of each mail that has an answer."""
    for line in (folder / "expected.jsonl").read_text().splitlines():
        expected = json.loads(line)
        yield Score(expected["file"], expected, read((folder / "mails" / expected["file"]).read_bytes()))


def figures(all_of: list[Score]) -> dict[str, float]:
    """Shares from 0 to 1: recipients exactly right, kind right, and precision and recall of `hard`."""
    hard = [each for each in all_of if each.kind == "hard"]
    truly = [each for each in all_of if each.expected["kind"] == "hard"]
    both = sum(each.expected["kind"] == "hard" for each in hard)
    return {
        "recipient exact": sum(each.recipients_right for each in all_of) / len(all_of),
        "kind": sum(each.kind == each.expected["kind"] for each in all_of) / len(all_of),
        "hard precision": both / len(hard) if hard else 1.0,
        "hard recall": both / len(truly) if truly else 1.0,
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--misses", action="store_true")
    given = asked.parse_args()
    began = process_time()
    found = list(scores(given.folder))
    took = process_time() - began
    print(f"{len(found)} mails, {took / len(found) * 1000:.1f} ms of CPU each")
    for name, share in figures(found).items():
        print(f"{name:<16} {share:.3f}")
    for each in found if given.misses else ():
        if each.kind != each.expected["kind"] or not each.recipients_right:
            print(
                f"\n{each.file}: {each.expected['kind']} ({each.expected.get('reason')}) {each.expected['recipients']}"
            )
            for one in each.found:
                print(f"    {one.kind} {one.whose} {one.recipient!r} {one.code} {one.status} {one.diagnostic[:160]!r}")


if __name__ == "__main__":
    main()
