"""Judges a site's SPF record: whether receivers can read it, and whether it lets its mail server send."""

import ipaddress

from db.settings import Settings
from db.urls import is_near
from emails import transports
from emails.dns import spf
from emails.dns.records import INCLUDES, Record, sends
from emails.dns.spf import Senders


def judge(record: Record, ask: spf.Ask, config: Settings) -> tuple[bool | None, str]:
    found = spf.records(record.name, ask)
    if not found:
        return None, f"{record.name} publishes no SPF record"
    if len(found) > 1:
        return None, f"{record.name} publishes {len(found)} SPF records, so none of them counts: keep one"
    try:
        senders = spf.senders(record.name, ask, trusted=INCLUDES.values())
    except spf.BadSpf as error:
        return None, f"receivers cannot use the SPF record of {record.name}: {error}; it says: {found[0]}"
    if fault := _fault(senders) or _lack(senders, ask, config):
        return None, f"the SPF record of {record.name} {fault}: {found[0]}"
    return True, f"published: {found[0]}"


def _fault(senders: Senders) -> str | None:
    """What is wrong with a record that can be read, whoever sends."""
    if senders.look_ups > spf.MOST_LOOK_UPS:
        return f"takes {senders.look_ups} look-ups; receivers stop after {spf.MOST_LOOK_UPS} and count it for nothing"
    if len(senders.void) > spf.MOST_VOID:
        return f"names {', '.join(senders.void)}, which do not exist; receivers stop after {spf.MOST_VOID} such names"
    if senders.all == "+":
        return "lets everybody send"
    return None if senders.all in ("~", "-") else "does not end in ~all or -all"


def _lack(senders: Senders, ask: spf.Ask, config: Settings) -> str | None:
    """Who sends our letters and is not among those that the record lets."""
    ours = sends(transports.server_of(config))
    kind, _, what = (ours or "").partition(":")
    if kind == "include":
        return None if what in senders.names else f"does not include your relay ({ours})"
    if ours is None or senders.hidden:
        is_empty = not (senders.networks or senders.names or senders.hidden or senders.void)
        return "lets nobody send" if is_empty else None
    addresses = [each for kind in ("A", "AAAA") for each in ask(what, kind)] if kind == "a" else [what]
    lacking = [each for each in addresses if not (is_near(each) or senders.lets(ipaddress.ip_address(each)))]
    return f"does not let {', '.join(lacking)} send, from where your letters come" if lacking else None
