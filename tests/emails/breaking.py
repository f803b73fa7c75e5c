"""Breaks a message on purpose: its header, its bytes or its letter's bodies."""

import re
from collections.abc import Callable
from dataclasses import replace

from emails.checks import ROWS, Case, Seen
from emails.letters import Letter

Break = Callable[[bytes], bytes]


def swapped(old: bytes, new: bytes) -> Break:
    return lambda raw: raw.replace(old, new, 1)


def header(line: bytes) -> Break:
    return lambda raw: line + b"\r\n" + raw


def without(name: bytes) -> Break:
    return lambda raw: re.sub(rb"(?m)^%b:.*\r\n(?:[ \t].*\r\n)*" % name, b"", raw, count=1)


def field(name: bytes, value: bytes) -> Break:
    return lambda raw: re.sub(rb"(?m)^%b:.*\r\n(?:[ \t].*\r\n)*" % name, lambda _: name + b": " + value + b"\r\n", raw)


def html(old: str, new: str) -> Callable[[Letter], Letter]:
    """The letter with its HTML changed there, everywhere."""
    return lambda letter: replace(letter, html=re.sub(old, lambda _: new, letter.html, flags=re.DOTALL))


def text(old: str, new: str) -> Callable[[Letter], Letter]:
    return lambda letter: replace(letter, text=re.sub(old, lambda _: new, letter.text, flags=re.DOTALL))


def is_red(row: int, message: bytes, case: Case) -> bool:
    """Whether that row has a fault; each is told in a sentence, with what to do."""
    [held] = [each for each in ROWS if each.number == row]
    faults = list(held.check(Seen(message, case))) if held.is_due(case) else []
    assert all(re.fullmatch(r"[A-Z<].*\. [A-Z].*\.", fault.words, re.DOTALL) for fault in faults), faults
    return bool(faults)
