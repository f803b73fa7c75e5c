"""What `verdicts restore confirm` says before and after."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from web.actions.confirm_copy import Done, Findings

SHOWN = 100


def before(found: Findings) -> Iterator[str]:
    """What happened since the copy, and what confirming does about it."""
    when = f"{found.copied_at:%Y-%m-%d %H:%M:%S} UTC"
    if found.old:
        yield f"This database shows {when}. Since then, as the old database tells:"
        yield from _departed(found)
    else:
        yield f"This database shows {when}. Who left, was erased or complained since then is not known here."
        yield "If the old database can still be read, stop and name it: verdicts restore confirm --old URL"
    decided = "get the outcome that the old database knows" if found.old else "become unknown, and none is sent"
    for slot, letters in found.digests.items():
        yield f"  digest {slot} was on its way: {letters:,} letters {decided}"
    for slot in found.held:
        gone = "has gone out" if found.old else "may have gone out"
        yield f"  digest {slot} {gone} since: held here until somebody decides"
    if found.letters:
        yield f"  {found.letters:,} other letters {'get their outcome' if found.old else 'are cancelled'}"
    if found.jobs:
        yield f"  {found.jobs:,} jobs that may have caused letters are discarded{' if they are done' * found.old}"


def _departed(found: Findings) -> Iterator[str]:
    left = [each for each in found.departures if each.what == "left"]
    erased = len(found.departures) - len(left)
    listed = Counter(each.reason for each in found.suppressions)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(listed.items())) or "none"
    yield f"  {len(left):,} left, {erased:,} erased; newly suppressed: {reasons}"
    for each in left[:SHOWN]:
        yield f"    left: subscriber {each.subscriber} {each.address or ''}".rstrip()
    for each in [each for each in found.departures if each.what == "erased"][:SHOWN]:
        yield f"    erased: subscriber {each.subscriber}"
    for gone in [each for each in found.suppressions if each.reason == "complaint"][:SHOWN]:
        whose = f"subscriber {gone.subscriber_id}" if gone.subscriber_id else f"suppression {gone.address_hash[:12]}"
        yield f"    complained: {whose}"
    if found.joined:
        yield f"  {found.joined:,} who confirmed since then stand in the old database only"


def after(done: Done) -> Iterator[str]:
    """What was done, and what is left to decide."""
    yield (
        f"Confirmed: this database sends. Let go: {done.left:,} who left, {done.erased:,} erased, "
        f"{done.suppressed:,} suppressed. Cancelled letters: {done.cancelled:,}; discarded jobs: {done.discarded:,}."
    )
    for slot, letters in done.unknown.items():
        yield f"Digest {slot}: {letters:,} letters may have gone out. Decide: verdicts deliveries resolve {slot} --help"
    for slot in done.held:
        yield f"Digest {slot} is held: verdicts digest release {slot}, or verdicts digest skip {slot}"
    if done.old_closed:
        yield f"The old database could not be told to send nothing any more ({done.old_closed}). Never start its site."


def as_dict(found: Findings) -> dict[str, Any]:
    """The findings for --json; keyed hashes stay out."""
    kept = {name: value for name, value in asdict(found).items() if name not in ("departures", "suppressions")}
    listed = [{"reason": each.reason, "subscriber": each.subscriber_id} for each in found.suppressions]
    return {**kept, "departures": [each._asdict() for each in found.departures], "suppressed": listed}
