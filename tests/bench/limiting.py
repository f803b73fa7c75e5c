"""What the limits cost a vote without a cookie: both windows are asked, and both tables are full of others."""

import time

from flask import Flask

from db import migrations
from db.votes import votes
from web.limits import MOST_KEYS
from web.readers import vote_limits

VOTES, MOST_US = 20_000, 20


def cpu() -> float:
    """µs of CPU a vote; each one comes from a network and a voter of its own."""
    migrations.upgrade()
    voters = [votes.new_voter() for _ in range(MOST_KEYS)]
    with Flask(__name__).test_request_context("/", method="POST") as here:
        for number, voter in enumerate(voters):
            if number == MOST_KEYS - VOTES:
                began = time.process_time()
            here.request.remote_addr = f"2001:db8:0:{number:x}::1"
            vote_limits.count_new_voter()
            vote_limits.count_change(voter)
    return (time.process_time() - began) / VOTES * 1e6


def run() -> list[tuple[str, bool]]:
    """The target and whether it is reached."""
    found = cpu()
    return [(f"a vote's limits cost at most {MOST_US} µs of CPU: {found:.1f}", found <= MOST_US)]
