"""The words of mail servers and of mails in an alert: on one line, short, and never taken for a command of ours."""

from emails.texts.formats import harmless, shortened


def quoted(words: str) -> str:
    """In quotation marks, as no command stands (emails/letters/alert.py): a server that refuses us must not be able to
    tell an operator what to type."""
    return f"“{shortened(harmless(words), 200)}”"
