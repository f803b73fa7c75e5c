"""Reads the fields of delivery reports (RFC 3464, RFC 6533): one group of fields for each recipient."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from emails.bounces import addresses, encoded

_FIELD = re.compile(r"[>\s]{0,3}([A-Za-z][A-Za-z-]{1,60})[ \t]*:[ \t]*(.*)")
_NAMED = ("final-recipient", "original-recipient", "x-actual-recipient", "x-original-recipient")
_GROUPS = 200
_LONGEST = 4000


class Report(NamedTuple):
    """What a report says of one recipient; `action` in lower case, such as failed or delayed."""

    recipient: str
    original: str
    action: str
    status: str
    diagnostic: str


def groups(text: str) -> list[dict[str, str]]:
    """The fields of each group, by lower-case name; the first of two with one name counts."""
    found: list[dict[str, str]] = [{}]
    for line in _unfolded(text):
        field = _FIELD.match(line[:_LONGEST])
        name = field[1].lower() if field else ""
        # Some reports have no blank line between two recipients.
        if found[-1] and (not line.strip() or (name in _NAMED and name in found[-1])):
            found.append({})
        if field:
            found[-1].setdefault(name, field[2].strip())
        if len(found) > _GROUPS:
            break
    return [each for each in found if each]


def _unfolded(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in text.split("\n"):
        if lines and line[:1] in (" ", "\t") and line.strip() and lines[0].strip():
            lines.append(line.strip())
        else:
            yield from filter(None, [" ".join(lines)] if lines else [])
            if not line.strip():
                yield ""
            lines = [line.rstrip()] if line.strip() else []
    yield " ".join(lines)


def reports(text: str) -> Iterator[Report]:
    """What the report says of each recipient that it names."""
    for each in _joined(groups(text)):
        final, original = _address(each, "final-recipient"), _address(each, "original-recipient")
        actual = _address(each, "x-actual-recipient") or _address(each, "x-original-recipient")
        # The last address may be one inside a mail system, such as alice@server.
        named = original if original and "." not in final.rpartition("@")[2] else final or original or actual
        if named or each.get("action") or each.get("status"):
            yield Report(
                named,
                original if original != named else "",
                each.get("action", "").split("(")[0].strip(" .;").lower(),
                each.get("status", ""),
                _diagnostic(each) or _comment(each.get("status", "")),
            )


def _joined(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """The groups about recipients; a blank line within one does not divide it."""
    about: list[dict[str, str]] = []
    for each in found:
        if any(name in each for name in _NAMED):
            if about and not any(name in about[-1] for name in _NAMED):
                each = {**about.pop(), **each}
            about.append(dict(each))
        elif (
            about
            and not any(name in about[-1] for name in each)
            and set(each) & {"action", "status", "diagnostic-code"}
        ):
            about[-1].update(each)
        elif not about and set(each) & {"action", "status"}:
            about.append(dict(each))
    return about


def _address(fields: dict[str, str], name: str) -> str:
    return addresses.typed(fields[name]) if name in fields else ""


def _comment(status: str) -> str:
    """What is said in brackets behind the status, such as `5.0.0 (recipient reached disk quota)`."""
    return status.partition("(")[2].rpartition(")")[0]


def _diagnostic(fields: dict[str, str]) -> str:
    """The diagnostic without its type, such as `smtp;`, and what PowerMTA takes it for, such as `bad-mailbox`."""
    kind, typed, words = encoded.words(fields.get("diagnostic-code", "")).partition(";")
    said = words.strip() if typed and re.fullmatch(r"\s*[\w-]{1,20}\s*", kind) else f"{kind}{typed}{words}"
    if kind.strip().lower() == "x-unix" and said.isdecimal():
        said = f"command failed with status {said}"  # a program's exit status, from Sendmail
    category = fields.get("x-powermta-bouncecategory", "other")
    return said if category == "other" else f"{said} ({category})"
