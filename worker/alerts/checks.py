"""The checks behind alerts: each function reads the tables and yields the conditions that need a person."""

import shlex
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlencode

from db.deliveries import deliveries
from db.deliveries.limits import breakers
from db.digests import archive, digests, rule_history
from db.jobs import filters, groups
from db.masking import masked_in
from db.monitoring import ages, heartbeats, pauses
from db.monitoring.alerts import Condition
from db.session import Session
from db.settings import settings
from db.values import duration
from worker.alerts.clocks import clocks_that_are_off
from worker.alerts.copies import unconfirmed_copy
from worker.alerts.daily_limit import limited_by_the_day
from worker.alerts.erasures import unfinished_erasures
from worker.alerts.feedback import complaints_after_the_end, letters_blamed
from worker.alerts.hosts import senders_that_fail
from worker.alerts.inbox import unread_inbox
from worker.alerts.quotes import quoted
from worker.alerts.stops import standing_stops, undecided_suppressions
from worker.alerts.webhooks import disabled_webhooks
from worker.processes import clock_rules
from worker.processes.agreement import differing_settings
from worker.sending import transport_kinds

Check = Callable[[Session, datetime], Iterator[Condition]]

LATE = timedelta(minutes=10)
"""A due digest is frozen at the clock's next tick, within seconds; a longer delay means that something is wrong."""
BREAKER = timedelta(minutes=2)
DOMAIN = timedelta(hours=1)
"""A single domain's breaker may stay open longer before it alerts: greylisting ends by itself."""
QUIET = timedelta(minutes=10)
"""A breaker whose wait ended this long ago counts as closed: no letter has come along to close it."""
PAUSED = timedelta(hours=1)
SILENT = timedelta(minutes=5)


# ---- jobs --------------------------------------------------------------------------------------------------


def failed_groups(session: Session, now: datetime) -> Iterator[Condition]:  # noqa: ARG001
    """Dead jobs, grouped by kind and error: one condition for each group."""
    for group, count in groups.dead_groups(session).items():
        yield Condition(
            key=f"failures:{group}",
            kind="failures",
            title=f"{_counted(count, 'job')} of {group.kind} failed for good",
            told=(
                f"The last attempt ended with {group.error or 'an error'}.",
                "Nothing is lost. Mend the cause, then retry them: "
                f"verdicts jobs retry --group {shlex.quote(str(group))}",
            ),
            link="/operator/jobs?" + urlencode({"group": str(group)}),
        )


def failure_rate(session: Session, now: datetime) -> Iterator[Condition]:
    """More failed attempts in the last hour than ALERT_FAILURES."""
    count, most = filters.count_failures(session, now - timedelta(hours=1)), settings().alert_failures
    if count > most:
        yield Condition(
            "rate:jobs", "rate", f"{count:,} attempts at jobs failed within an hour",
            (f"ALERT_FAILURES is {most:,}.", "Jobs are tried again by themselves; look whether they share a cause."),
            "/operator/jobs",
        )  # fmt: skip


# ---- overdue work ------------------------------------------------------------------------------------------


def old_work(session: Session, now: datetime) -> Iterator[Condition]:
    """Work that has waited for longer than ALERT_AGE, in each ledger whose queue is not paused."""
    paused = {each.queue for each in pauses.paused(session)}
    for queue, ask, what, look in (
        ("votes", ages.of_votes, "A vote has waited to be counted", "the worker line"),
        ("jobs", ages.of_jobs, "A job has waited to be taken", "the worker line"),
        ("mail", ages.of_deliveries, "A letter has waited for its turn", "the sender line and the mail server"),
        (
            "outside",
            ages.of_outside,
            "A request to another's server has waited to be made",
            "the outside line, and whether a receiver hangs",
        ),
    ):
        age = None if queue in paused else ask(session, now)
        if age is not None and age > settings().alert_age:
            yield Condition(
                f"age:{queue}", "age", f"{what} for {duration(age)}",
                (f"ALERT_AGE is {duration(settings().alert_age)}.", f"Nothing is lost. Look at {look}."),
                "/operator/queues",
            )  # fmt: skip


def paused_queues(session: Session, now: datetime) -> Iterator[Condition]:
    """Queues that have been paused for a long time."""
    for pause in (each for each in pauses.paused(session) if each.at < now - PAUSED):
        yield Condition(
            f"paused:{pause.queue}", "paused", f"Queue {pause.queue} has been paused for {duration(now - pause.at)}",
            ("What is owed there waits and grows.",
             f"Once the reason is gone, resume it: verdicts jobs resume {pause.queue}"), "/operator/queues",
        )  # fmt: skip


# ---- digests -----------------------------------------------------------------------------------------------


def stuck_digests(session: Session, now: datetime) -> Iterator[Condition]:
    """Digests that are overdue, held past their due time, or left with unknown deliveries."""
    for digest in digests.listed(session, ("draft", "held", "sending")):
        page, told = f"/operator/digests/{digest.slot}", tuple[str, ...]()
        if digest.state == "held" and digest.due_at < now:
            told = (
                "It was due, and somebody holds it. Held too long, it expires.",
                f"Release it: verdicts digest release {digest.slot}",
                f"Or send nothing this week: verdicts digest skip {digest.slot}",
            )
            yield Condition(f"held:{digest.slot}", "held", f"Digest {digest.slot} is held past its hour", told, page)
        elif digest.state == "draft" and digest.due_at + LATE < now:
            told = (
                "It was due and has not been frozen.",
                "Look at the clock’s and the worker’s logs, and run: verdicts doctor",
            )
            yield Condition(f"late:{digest.slot}", "late", f"Digest {digest.slot} is late", told, page)
        elif digest.state == "sending" and deliveries.only_in_doubt(session, digest.id):
            told = (
                "Everything else of it is settled. Whether these arrived cannot be known from here.",
                "Compare with the mail server’s log, then count them as sent, or send them again with --resend: "
                f"verdicts deliveries resolve {digest.slot} --sent",
            )
            yield Condition(
                f"doubt:{digest.slot}",
                "doubt",
                f"Digest {digest.slot} waits for a word on letters in doubt",
                told,
                page,
            )


# ---- processes and the mail server -------------------------------------------------------------------------


def open_breakers(session: Session, now: datetime) -> Iterator[Condition]:
    """Mail servers whose circuit breaker has been open for a while."""
    for breaker in breakers.open_since(session, now - BREAKER, now - QUIET):
        if breaker.kind == "domain" and breaker.since > now - DOMAIN:
            continue
        lasts = duration(now - breaker.since)
        title = f"The mail server has refused everybody for {lasts}"
        if breaker.kind == "domain":
            title = f"{breaker.server} has deferred its mail for {lasts}"
        told = (
            f"It last answered: {quoted(masked_in(breaker.reply))}",
            "Its letters wait and nobody’s attempts are used up. It is asked again by itself. To see more: "
            "verdicts doctor",
        )
        yield Condition(f"breaker:{breaker.name}", "breaker", title, told, "/operator")


_NAMES = {"clock": "clock", "sender": "sender", "outside": "outside line"}


def silent_processes(session: Session, now: datetime) -> Iterator[Condition]:
    """Conditions for a clock, a sender or an outside line without a recent heartbeat."""
    known = heartbeats.first_start(session)
    if known is None or known > now - SILENT:
        return  # no process has been up long enough for a heartbeat to be missing
    means_of = {
        "clock": "Work goes on some seconds later: workers and senders look by themselves.",
        "sender": "No letter leaves.",
        "outside": "No webhook is posted.",
    }
    for kind, means in means_of.items():
        last = heartbeats.last_seen(session, kind)
        if last is None or not last.is_alive(now, SILENT):
            when = f"has been silent for {duration(now - last.at)}" if last else "has never given a sign of life"
            yield Condition(
                f"silent:{kind}", "silent", f"The {_NAMES[kind]} {when}",
                (means, f"Start the {kind} line again. To see more: verdicts doctor"), "/operator",
            )  # fmt: skip


def differing_transports(session: Session, now: datetime) -> Iterator[Condition]:
    """Senders that may send nothing, or that do not go on with a digest that began another way."""
    sentences = transport_kinds.differences(session, now)
    if sentences:
        yield Condition("transport", "transport", "Letters wait: a sender runs with another MAIL_URL",
                        tuple(sentences), "/operator")  # fmt: skip


# ---- the schedule ------------------------------------------------------------------------------------------


def disagreeing_clocks(session: Session, now: datetime) -> Iterator[Condition]:
    """Live clocks that run with different rules of the schedule."""
    told = clock_rules.disagreeing(session, now)
    if told:
        yield Condition(
            "rules:clocks", "rules", "The clocks disagree about the schedule",
            (*(f"{process} runs with: {rule.in_words}." for process, rule in told.items()),
             "No digest opens or freezes until they agree; what is due stays owed. Give all of them the same "
             "DIGEST_SCHEDULE and DIGEST_TIMEZONE, or stop the one that is wrong."),
            "/operator/schedule",
        )  # fmt: skip


def weeks_between(session: Session, now: datetime) -> Iterator[Condition]:
    """Digests that wait for an editor because the schedule moved; past their hour they are alerts of their own."""
    for digest in digests.listed(session, ("held",)):
        if digest.due_at >= now and rule_history.is_held_by_a_change(digest):
            yield Condition(
                f"moved:{digest.slot}", "moved", f"Digest {digest.slot} waits for an editor: the schedule moved",
                (digest.reason or "",),
                f"/operator/digests/{digest.slot}",
            )  # fmt: skip


def passed_over(session: Session, now: datetime) -> Iterator[Condition]:
    """Digests held for comparisons that earlier releases passed over; past their hour they are alerts of their own."""
    for digest in digests.listed(session, ("held",)):
        if digest.due_at >= now and archive.holds(digest):
            yield Condition(
                f"passed over:{digest.slot}", "passed over",
                f"Digest {digest.slot} waits for an editor: old comparisons",
                (digest.reason or "", "Nothing is lost: what it holds stands in the next digest otherwise."),
                f"/operator/digests/{digest.slot}",
            )  # fmt: skip


CHECKS: tuple[Check, ...] = (
    failed_groups, failure_rate, old_work, paused_queues, stuck_digests, open_breakers, silent_processes,
    disagreeing_clocks, weeks_between, differing_transports, passed_over, limited_by_the_day,
    differing_settings, standing_stops, undecided_suppressions, senders_that_fail,
    clocks_that_are_off, disabled_webhooks, unread_inbox, unconfirmed_copy, unfinished_erasures, letters_blamed,
    complaints_after_the_end,
)  # fmt: skip


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
