"""The page of the DNS records: what to publish, and what the outside line found there."""

from flask import render_template

from db.monitoring import dns_lookups
from db.session import reading
from db.settings import settings
from emails.dns import dns_checks
from emails.dns import records as dns_records
from emails.messages.dkim_keys import BadKey
from web.operator.frame.access import allowed, blueprint


@blueprint.get("/dns", endpoint="dns")
@allowed("viewer")
def dns() -> str:
    config = settings()
    with reading() as session:
        last = dns_lookups.last(session)
    rows, error = (last.found, "") if last else _to_publish()
    return render_template(
        "operator/dns.html", page_title="DNS", rows=rows, error=error, looked_at=last.at if last else None,
        warnings=last.warnings if last else tuple(dns_checks.warnings(config)),
        is_local=config.outbox is not None and not last,
    )  # fmt: skip


def _to_publish() -> tuple[tuple[dict[str, object], ...], str]:
    """The records by this process's own settings, and why there are none if a key cannot be read."""
    try:
        records = dns_records.to_publish(settings())
    except BadKey as bad:
        return (), str(bad)
    return tuple({"line": each.line, "why": each.why, "well": None, "told": ""} for each in records), ""
