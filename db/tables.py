"""Every table there is, in the order of the rooms: for the migrations and for whoever makes a database anew."""

from db import (
    alerts,
    allowances,
    audit,
    catalog,
    claims,
    deliveries,
    digests,
    heartbeats,
    jobs,
    logins,
    operators,
    queues,
    relays,
    schedule,
    subscribers,
    tallies,
    votes,
)
from db.session import Row

ROOMS = (allowances, jobs, catalog, subscribers, votes, tallies, digests, deliveries, claims, relays, schedule,
         operators, logins, audit, queues, heartbeats, alerts)  # fmt: skip
TABLES = Row.metadata
