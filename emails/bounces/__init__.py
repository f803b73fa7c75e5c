"""Reads a mail that came back, and says whom it concerns and what it means. Pure: bytes in, findings out.

The order is that of trust: a complaint (RFC 5965), a delivery report (RFC 3464), a provider's JSON, a bounce in words;
what is none of these is a vacation note, a challenge, a mail to unsubscribe, or somebody's answer, and harms nobody.
"""

from emails.bounces.findings import Finding, Kind
from emails.bounces.reader import read

__all__ = ["Finding", "Kind", "read"]
