"""Writes a long pattern as a list: one alternative a line."""

import re


def one_of(lines: str) -> re.Pattern[str]:
    """The pattern that matches what any of the lines does, whatever its case. ` .. ` stands for up to four words."""
    joined = "|".join(line.strip() for line in lines.splitlines() if line.strip())
    return re.compile(joined.replace(" .. ", r" (?:\S{1,40} ){0,4}"), re.IGNORECASE)
