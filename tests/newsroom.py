"""Fills the tables with every state that a page of the console may have to show, for tests of those pages.

It has long addresses, long words without a break, right-to-left names and markup in errors, and lists of all lengths.
"""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from sqlalchemy import insert, select, update

from db.deliveries.deliveries import Delivery
from db.deliveries.limits import breakers, stops
from db.deliveries.limits.stops import Trip
from db.digests import digests, schedule
from db.driver import driver_connection
from db.feedback import consequences
from db.feedback.consequences import Heard
from db.jobs.jobs import Attempt, Job
from db.monitoring import alerts, heartbeats, pauses
from db.monitoring.alerts import Condition
from db.operators.audit import Actor
from db.session import writing
from db.subscribers import imports, subscriptions, suppressions
from db.subscribers.subscribers import Subscriber
from db.votes import votes
from db.webhooks import messages as webhook_messages
from db.webhooks import webhooks
from db.webhooks.event_types import TYPES
from db.webhooks.messages import Told
from tests import failed
from tests.conftest import load_catalogue
from web.actions import webhooks as webhook_actions
from web.actions.accounts import accounts
from web.actions.subscribers import subscribers as subscriber_actions
from worker.digests import by_hand
from worker.digests import weekly_run as run
from worker.feedback import refusals

LONG = "a.reader.with.a.very.long.name.indeed+newsletters-and-more@mail.department.university-of-somewhere.example"
RTL = "قارئة@بريد.example"
WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
EVIL = "<script>alert('stored')</script>\"'><img src=x onerror=alert(1)>"
ERRORS = (
    ("SMTPServerDisconnected", "connection closed after DATA, job %d", 61, "3f1c"),
    ("TimeoutError", "no greeting within 30 s", 12, "9aa0"),
    ("OperationalError", "(sqlite3.OperationalError) database is locked [SQL: INSERT INTO deliveries (letter, about, "
     "person, state, not_before, tries, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT NOTHING] " * 4, 5, "77"),
    ("KeyError", WORD * 3, 2, "aa"),
    ("ValueError", EVIL, 1, "ee"),
    ("UnicodeError", "لا يمكن ترميز العنوان " * 6, 1, "bb"),
)  # fmt: skip
TRACEBACK = (
    "Traceback (most recent call last):\n" + '  File "worker/jobs/jobs.py", line 8, in _react\n    react()\n' * 12
)


def fill(now: datetime | None = None) -> SimpleNamespace:
    """Fill the tables as of `now`. Returns the ids and slots that a test may need."""
    now = now or datetime.now(UTC)
    catalogue = load_catalogue(published=now - timedelta(days=1))
    given = accounts.add(Actor("command: root"), "invited@newsroom.example", "viewer", now)
    _readers(now)
    _votes(catalogue, now)
    slot = _digests(now)
    jobs = _jobs(now)
    _feedback(now)
    _state_of_things(now)
    _orders(now)
    _webhooks(now)
    return SimpleNamespace(slot=slot, job=jobs[0], invitation=given.rsplit("/", 1)[1], catalogue=catalogue)


def _readers(now: datetime) -> None:
    ordinary = {f"reader-{turn}@mail.example": None for turn in range(120)}
    with writing() as session:
        imports.add_imported(session, {LONG: "America/Argentina/Buenos_Aires", RTL: None} | ordinary,
                          "They ticked a box in the old list.", "list.csv", now - timedelta(days=40))  # fmt: skip
    with writing() as session:
        subscriptions.request(session, "asked@reader.example", words="Yes, send me the weekly verdicts.",
                            words_version="2026-01", locale="de-AT", form_url="https://example.com/" + "x" * 150,
                            ip="2001:db8:85a3:8d3:1319:8a2e:370:7348", user_agent="Mozilla/5.0 " * 12,
                            now=now - timedelta(hours=2))  # fmt: skip
        subscriptions.leave(session, 3, "one-click", now - timedelta(days=2))
        subscriptions.erase(session, 4, now - timedelta(days=1))
        session.execute(update(Subscriber).where(Subscriber.id == 5).values(paused_until=now + timedelta(days=9)))
        for turn, reason in enumerate(("hard bounce", "complaint", "by hand", "repeated soft bounce")):
            suppressions.suppress(
                session, f"reader-{10 + turn}@mail.example", reason, now - timedelta(hours=turn), EVIL
            )
        suppressions.suppress(session, LONG, "hard bounce", now, f"550 5.1.1 <{LONG}>: no such mailbox; {WORD * 2}")
        for turn in range(55):
            suppressions.suppress(session, f"gone-{turn}@elsewhere.example", "complaint", now - timedelta(days=turn))


def _votes(catalogue: SimpleNamespace, now: datetime) -> None:
    with writing() as session:
        for turn in range(60):
            moment = now - timedelta(hours=7 * turn)
            votes.cast(session, votes.new_voter(), catalogue.quillmate, "ship" if turn % 3 else "skip", moment)
        votes.cast(session, "subscriber:1", catalogue.quillmate, "ship", now)


REPLIES = (
    ("deferred", 450, "deferred at rcpt", "450 4.2.1 <%s> The user you are trying to contact is receiving mail at a "
     "rate that prevents additional messages from being delivered; please resend your message at a later time."),
    ("failed", 550, "refused at rcpt", "550 5.1.1 <%s> unknown"),
    ("unknown", None, "no reply after dot", None),
    ("skipped", None, "unsubscribed", None),
    ("failed", None, "given up, its domain defers", EVIL),
)  # fmt: skip


def _digests(now: datetime) -> str:
    """Add a skipped, an expired, a sending and a held digest. Returns the slot of the sending one."""
    rule = schedule.of_digests()
    slots = [rule.slot_of(now - timedelta(weeks=back)) for back in (2, 1, 0, -1)]
    with writing() as session:
        by_hand.send(session, slots[2], now - timedelta(minutes=20), late=True)
    run.address_frozen()
    with writing() as session:
        rows = session.scalars(select(Delivery).where(Delivery.letter == "digest").order_by(Delivery.id)).all()
        for turn, row in enumerate(rows[:100]):
            state, code, reason, reply = REPLIES[turn // 4] if turn < 20 else ("sent", 250, None, "250 2.0.0 Ok")
            row.state, row.code, row.reason, row.tries, row.settled_at = state, code, reason, 1, now
            row.reply = reply.replace("%s", f"reader-{turn}@mail.example") if reply else None
        for back, (state, reason) in enumerate((("skipped", "no comparison is new"), ("expired", "not sent in time"))):
            old = digests.open_slot(session, slots[back], rule.due(slots[back]), now)
            digests.end(old, state, reason, now - timedelta(weeks=2 - back))
        draft = digests.open_slot(session, slots[3], rule.due(slots[3]), now)
        draft.state, draft.reason = "held", f"{EVIL} {WORD}"
    return slots[2]


def _jobs(now: datetime) -> list[int]:
    """Add groups of dead jobs, some waiting ones, and a running one whose lease has lapsed. The first is dead."""
    made = []
    for back, (error, said, number, print_) in enumerate(ERRORS):
        made += failed.fill(number, error=error, said=said, fingerprint=print_, failed_at=now - timedelta(hours=back),
                            finished_at=now - timedelta(hours=back), created_at=now - timedelta(days=1))  # fmt: skip
    failed.fill(3, "pending", attempt=2, run_after=now + timedelta(minutes=4), failed_at=now)
    failed.fill(2, "discarded", note=f"{EVIL} {WORD}", failed_at=now)
    failed.fill(1, "running", lease=now - timedelta(minutes=3), failed_at=now)
    with writing() as session:
        session.execute(update(Attempt).values(traceback=TRACEBACK + f"ValueError: {EVIL} {WORD * 4}"))
        session.execute(update(Job).where(Job.id == made[0]).values(payload={"sign_up": 1, "subscriber": 1}))
        tried = {
            "job_id": made[0],
            "worker": "sender-1.newsroom.example:4711",
            "trigger": "the bell",
            "error": "KeyError",
        }
        session.execute(insert(Attempt), [
            tried | {"number": turn, "started_at": now - timedelta(minutes=60 - turn), "message": WORD,
                     "ended_at": now - timedelta(minutes=59 - turn), "outcome": "lost" if turn == 2 else "failed"}
            for turn in range(1, 6)
        ])  # fmt: skip
    return made


def _state_of_things(now: datetime) -> None:
    with writing() as session:
        pauses.pause(session, "jobs", f"parser trips over a new report, mending it {WORD}", LONG, now)
        for _ in range(4):
            breakers.refused(session, "smtp://relay.example:25", f"421 4.3.2 {WORD} is shutting down", now)
        [going] = digests.listed(session, ("sending",))
        for each in suppressions.page(session, "hard bounce"):
            each.digest_id = going.id
        session.flush()
        for domain in ("mail.example", LONG.rpartition("@")[2]):
            stops.trip(session, going.id, Trip("hard", domain, 11, 14), now)
        for turn, kind in enumerate(("failures", "age", "breaker")):
            alerts.raise_new(session, Condition(f"{kind}:{turn}", kind, f"{kind} needs somebody {WORD}",
                                             ("It began a while ago.", EVIL), "/operator/jobs"), now)  # fmt: skip
    with driver_connection(durable=False) as driver:
        for turn, kind in enumerate(("web", "worker", "sender", "outside", "clock")):
            heartbeats.beat(driver, f"host:{turn}", kind, now - timedelta(hours=3), now, 40, 10.0)


def _feedback(now: datetime) -> None:
    """What came back after letters of the digest that is being sent, one of each kind."""
    said = {"soft": f"552 5.2.2 {WORD * 2} over quota", "content": EVIL, "complaint": "", "hard": "550 5.1.1 <%s>: no"}
    with writing() as session:
        of_digest = select(Delivery).where(Delivery.letter == "digest", Delivery.state == "sent").order_by(Delivery.id)
        for turn, (row, kind) in enumerate(zip(session.scalars(of_digest.limit(4)).all(), said, strict=True)):
            told = Heard(kind, turn + 1, row.id, row.person, None, diagnostic=said[kind], feedback="abuse")
            consequences.apply(session, told, now, refusals.is_content)


def _orders(now: datetime) -> None:
    """Add sixty audit entries, some of them with long notes."""
    someone = accounts.find("invited@newsroom.example")
    for turn in range(56):
        who = Actor(LONG if turn % 9 == 0 else "dana@newsroom.example", "2001:db8::7")
        accounts.change_role(who, someone.id, ("editor", "viewer")[turn % 2], now - timedelta(hours=turn),
                             f"{EVIL} {WORD}" if turn % 7 == 0 else "moves to the desk")  # fmt: skip
    subscriber_actions.suppress(Actor("command: root"), ["more@reader.example"], now, RTL)


def _webhooks(now: datetime) -> None:
    """Add webhooks in every state, the first with messages in every state."""
    dana = Actor("dana@newsroom.example")
    urls = (f"https://{'hooks.' * 9}example:8443/services/{WORD}?room={'4' * 300}", "https://chat.example/hooks/b1946ac9",
            "https://crm.example/in", "http://[2001:db8::7]:9000/in")  # fmt: skip
    made = [
        webhook_actions.add(dana, url, "chat" if turn == 1 else "event", list(TYPES)[: 2 * turn + 2], now)
        for turn, url in enumerate(urls)
    ]
    first, *others = (each.number for each in made)
    told = [Told(each, now, {}, f"{EVIL} {WORD}") for each in TYPES]
    with writing() as session:
        for turn, each in enumerate(told):
            at = now - timedelta(minutes=30 - turn)
            message = webhook_messages.tell(session, webhooks.get(session, first), each, at)
            error = None if turn % 3 == 0 else f"{'hooks.' * 9}example answered 500 (Internal Server Error)."
            if turn < 7:
                status = 204 if error is None else 500 if turn % 2 else None
                webhook_messages.answered(session, message.id, status, error, at)
            states = ("succeeded", "pending", "dead", "discarded")
            session.get_one(Job, message.job_id).state = states[turn % 4] if error else "succeeded"
        webhooks.failed(session, first, now - timedelta(hours=5))
        webhooks.failed(session, others[1], now - timedelta(days=2))
        webhooks.give_up(session, others[1], "failures", "It has failed for a day. crm.example answered 502.", now)
    webhook_actions.renew_secret(dana, first, now)
    webhook_actions.disable(dana, others[2], f"{EVIL} {WORD}", now)
