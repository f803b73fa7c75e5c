"""Emails: letters composed from plain values, the MIME format, and the transports that hand messages over."""
