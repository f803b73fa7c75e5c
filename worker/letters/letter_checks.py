"""Checks a letter before it goes out: the message that the sender would write, by the rows of an exemplary one."""

from db.settings import settings
from emails import checks
from emails.checks import Case, Fault
from emails.letter import OWN
from emails.letters import Letter
from emails.messages.dkim_keys import BadKey
from emails.messages.sender_identity import SenderIdentity
from worker.letters.composing import SAMPLE_FOR, sample_for, signer


def faults(letter: Letter) -> list[Fault]:
    """What is wrong with it, errors first: for a reader without votes, and for two who voted on everything alike."""
    config = settings()
    identity = SenderIdentity.of(config)
    try:
        key = signer(config)
    except BadKey as error:
        return [Fault("The sender cannot sign this letter.", str(error), row=8)]
    places = len(OWN.findall(letter.html + letter.text))
    found: dict[Fault, None] = {}
    for own_votes in ("", "s" * places, "k" * places) if places else ("",):
        outgoing = sample_for(letter, identity, key, own_votes)
        case = Case(
            identity, letter.kind, SAMPLE_FOR, outgoing.sender, config.mail_postal_address, key,
            over_smtp=config.outbox is None,
        )  # fmt: skip
        found |= dict.fromkeys(checks.check(outgoing.message, case))
    return sorted(found, key=lambda fault: fault.severity != "error")
