"""Whose fault it was that a mail server refused a letter, read from the letter's row."""

from typing import cast, get_args

from db.deliveries.deliveries import Delivery
from emails.replies.table import Whose
from emails.replies.whose import Stage, whose_is


def whose(failed: Delivery) -> Whose | None:
    """Whose the last reply says that it was; None if it was given up without one."""
    stage = (failed.reason or "").rpartition(" at ")[2]
    if failed.code is None or not failed.reply or stage not in get_args(Stage):
        return None
    return whose_is(cast(Stage, stage), failed.code, failed.reply)


def is_content(failed: Delivery) -> bool:
    """Whether it was refused for what it says or how, as the senders count it (stop_rules.py)."""
    return whose(failed) == "message"
