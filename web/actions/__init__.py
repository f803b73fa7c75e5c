"""What operators do, from the console and by command alike: each action carried out and audited in one transaction."""

from collections.abc import Callable

Progress = Callable[[int], object]
"""Called after each page of an action about many, with the number of rows that the page met."""
