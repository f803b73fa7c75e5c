"""Checks a finished message against the table of what an exemplary one has: bytes in, faults out.

The tests hold every row for every letter and setting; previews show the faults before a digest goes out.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from emails.checks import lists, pages, signature, wire, words
from emails.checks.seen import Case, Fault, Seen

__all__ = ["ROWS", "Case", "Fault", "Row", "Seen", "check"]


class Row(NamedTuple):
    """One row: its number, what it says, its check, and whether it is due for a letter and setting."""

    number: int
    says: str
    check: Callable[[Seen], Iterator[Fault]]
    is_due: Callable[[Case], bool] = lambda _: True


ROWS = (
    Row(1, "CRLF line ends, lines of at most 998 bytes, seven bits, no NUL", wire.plain_bytes),
    Row(2, "each field once, none empty, no Bcc; List-* on lists alone", wire.fields_once),
    Row(3, "a Date with a zone, a Message-ID in our domain", wire.date_and_id),
    Row(4, "encoded words only where they may stand, 75 characters at most", wire.encoded_words),
    Row(5, "one https address to unsubscribe, one mailto with an inbox, One-Click", lists.way_out,
        lambda case: case.is_list),
    Row(6, "opaque tokens; the reader’s address in no link", lists.opaque_links),
    Row(7, "List-Id, Feedback-ID and Auto-Submitted", lists.list_names),
    Row(8, "DKIM signatures that verify and cover what DKIM_SIGNED says", signature.signed,
        lambda case: case.signer is not None or case.over_smtp),
    Row(9, "an envelope sender of each letter’s own, at an aligned domain", signature.envelope,
        lambda case: case.identity.has_verp),
    Row(10, "multipart/alternative of text and HTML in UTF-8, without a defect", wire.two_parts),
    Row(11, "HTML of at most 100 KiB, decoded and encoded", pages.size),
    Row(12, "language, title, one main heading, sizes, contrast in light and dark, no sideways scroll", pages.readable),
    Row(13, "nothing that acts or loads; https links; nothing left over from templates", pages.harmless),
    Row(14, "in both parts: unsubscribe, web version, why it comes, postal address", words.foot),
    Row(15, "a preheader of 20 to 150 characters, first, with filler after it", words.preheader,
        lambda case: case.kind != "test"),
    Row(16, "both metas of colour schemes, and a dark style", pages.dark),
    Row(17, "a text part with every link, none of which would be cut", words.text_alone),
    Row(18, "valid HTML, and CSS that mail apps know", pages.valid),
    Row(20, "no field but our own, no control character", wire.nothing_injected),
)  # fmt: skip
"""Row 19 is SpamAssassin's (`make drill`), and row 21, that who left gets nothing, the sender's."""


def check(message: bytes, case: Case) -> list[Fault]:
    """The faults of one message, in the order of the rows, each once."""
    seen = Seen(message, case)
    found = (fault._replace(row=row.number) for row in ROWS if row.is_due(case) for fault in row.check(seen))
    return list(dict.fromkeys(found))
