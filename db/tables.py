"""Imports every table, in dependency order, for the migrations and for creating a new database."""

from db import guard, limits, page_version, removals, signing_keys
from db.deliveries import deliveries
from db.deliveries.claiming import claims
from db.deliveries.limits import breakers, daily_limit, outages, rate_limits, stops
from db.digests import catalog, digests, rule_history, schedule
from db.feedback import events, feedback
from db.jobs import jobs
from db.monitoring import alerts, heartbeats, pauses
from db.operators import audit, logins, operators
from db.schema import SchemaRelease  # noqa: F401  a table of its own, beside the rooms
from db.session import Row
from db.subscribers import subscribers, suppressions
from db.votes import figure_changes, tallies, votes
from db.webhooks import messages, webhooks

ROOMS = (
    guard,
    limits,
    page_version,
    removals,
    signing_keys,
    rate_limits,
    daily_limit,
    jobs,
    catalog,
    subscribers,
    suppressions,
    votes,
    tallies,
    figure_changes,
    digests,
    deliveries,
    claims,
    breakers,
    outages,
    stops,
    schedule,
    rule_history,
    operators,
    logins,
    audit,
    pauses,
    heartbeats,
    alerts,
    webhooks,
    messages,
    events,
    feedback,
)
TABLES = Row.metadata
