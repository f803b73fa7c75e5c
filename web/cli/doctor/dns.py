"""What `verdicts doctor` says of the DNS: each record to publish, and what the name servers hold."""

from collections.abc import Iterator

from db.settings import Settings
from emails.dns.dns_checks import check
from emails.dns.records import is_for_the_dns


def records(config: Settings) -> Iterator[tuple[bool | None, str]]:
    """A sentence for each record. A site whose letters stay in a Maildir needs none."""
    if config.outbox is not None:
        return
    if not is_for_the_dns(config):
        yield None, "MAIL_FROM has no domain of the public DNS, so no receiver can tell that a letter is yours"
        return
    from emails.dns.questions import questions  # few commands need dnspython

    for record, well, told in check(config, questions()):
        yield well, f"{record.line} ({record.what}): {told}"
