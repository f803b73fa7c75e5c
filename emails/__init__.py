"""The first floor: letters composed from plain values, the mail format, and the door to the mail server."""
