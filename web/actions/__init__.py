"""Operators' actions, shared by console and commands: each is carried out and audited in one transaction."""

from collections.abc import Callable

Progress = Callable[[int], object]
"""Called after each page of a bulk action, with the number of rows in that page."""
