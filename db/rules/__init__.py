"""Rules as pure functions on values: shares, back-offs, who may get which letter; the time is an argument.

Each subject has a module of its own; the other rooms import its names from here.
"""

from db.rules.backoffs import breaker_backoff, day_backoff, defer_backoff, named_backoff, put_off_backoff
from db.rules.bounces import (
    COMPLAINTS,
    SOFT_LETTERS,
    SOFT_LIFE,
    SOFT_SPAN,
    SUSPENDED_LETTERS,
    Returned,
    SoftBounce,
    returned,
    soft_bounces_suppress,
)
from db.rules.errors import BadAddress, Refused
from db.rules.jobs import JOB_ATTEMPTS, JOB_LEASE, OUTSIDE_LEASE, PATIENT_JOBS, job_backoff, patient_backoff
from db.rules.letters import LETTERS, Doubt, LetterRule, Person, why_not
from db.rules.logins import LOGINS_FREE, NETWORK_LOGINS_FREE, login_backoff
from db.rules.pace import BATCH, FIRST_BATCH, batch, daily_reserve, window
from db.rules.retention import RETENTION, Retention, kept
from db.rules.sign_ups import (
    ADDRESS_SPAN,
    NETWORK_SPAN,
    REMINDER_AFTER,
    SIGN_UP_LIFE,
    SIGN_UP_PAUSE,
    WORDS_WITHOUT_REMINDER,
)
from db.rules.stop_rules import (
    COMPLAINT_SHARE,
    COMPLAINTS_AT_LEAST,
    CONTENT_SHARE,
    DOMAIN_WATCHED,
    HARD_SHARE,
    NONE_TAKEN,
    WATCHED,
    WATCHED_AT_LEAST,
    Fate,
    Tripped,
    complaints_stop,
    holds_among,
    holds_domain,
    stops,
    stops_among,
)
from db.rules.suppressions import HARD_BOUNCE_REST, SUPPRESSIONS, SuppressionRule
from db.rules.texts import control_in, plain
from db.rules.votes import CHANGES_PER_VOTER, Choice, share

__all__ = [
    "ADDRESS_SPAN",
    "BATCH",
    "CHANGES_PER_VOTER",
    "COMPLAINTS",
    "COMPLAINTS_AT_LEAST",
    "COMPLAINT_SHARE",
    "CONTENT_SHARE",
    "DOMAIN_WATCHED",
    "FIRST_BATCH",
    "HARD_BOUNCE_REST",
    "HARD_SHARE",
    "JOB_ATTEMPTS",
    "JOB_LEASE",
    "LETTERS",
    "LOGINS_FREE",
    "NETWORK_LOGINS_FREE",
    "NETWORK_SPAN",
    "NONE_TAKEN",
    "OUTSIDE_LEASE",
    "PATIENT_JOBS",
    "REMINDER_AFTER",
    "RETENTION",
    "SIGN_UP_LIFE",
    "SIGN_UP_PAUSE",
    "SOFT_LETTERS",
    "SOFT_LIFE",
    "SOFT_SPAN",
    "SUPPRESSIONS",
    "SUSPENDED_LETTERS",
    "WATCHED",
    "WATCHED_AT_LEAST",
    "WORDS_WITHOUT_REMINDER",
    "BadAddress",
    "Choice",
    "Doubt",
    "Fate",
    "LetterRule",
    "Person",
    "Refused",
    "Retention",
    "Returned",
    "SoftBounce",
    "SuppressionRule",
    "Tripped",
    "batch",
    "breaker_backoff",
    "complaints_stop",
    "control_in",
    "daily_reserve",
    "day_backoff",
    "defer_backoff",
    "holds_among",
    "holds_domain",
    "job_backoff",
    "kept",
    "login_backoff",
    "named_backoff",
    "patient_backoff",
    "plain",
    "put_off_backoff",
    "returned",
    "share",
    "soft_bounces_suppress",
    "stops",
    "stops_among",
    "why_not",
    "window",
]
