"""Errors of a caller who can mend them: what is said is what to do."""


class BadAddress(ValueError):
    """An invalid email address; the message says how to correct it."""


class Refused(ValueError):
    """An action that is not possible in the current state; the message says why and what to do."""
