"""What a webhook posted cannot be read."""


class BadForm(ValueError):
    """It is not in the form of its source; the message says what is missing, and quotes nothing."""
