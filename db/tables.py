"""Every table there is, in the order of the rooms: for the migrations and for whoever makes a database anew."""

from db import allowances, catalog, claims, deliveries, digests, jobs, relays, schedule, subscribers, tallies, votes
from db.session import Row

ROOMS = (allowances, jobs, catalog, subscribers, votes, tallies, digests, deliveries, claims, relays, schedule)
TABLES = Row.metadata
