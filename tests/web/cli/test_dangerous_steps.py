"""What reaches many is said first, asked at a terminal, and refused or explained where it is most likely a mistake."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from db.deliveries.deliveries import Delivery
from db.digests import catalog, digests, schedule
from db.digests.owed_slots import NOT_OWED
from db.monitoring.heartbeats import Heartbeat
from db.operators.audit import Actor, AuditEntry
from db.session import reading, writing
from tests.claiming import make_digest
from tests.conftest import load_catalogue
from tests.terminals import at_a_terminal
from web.actions.digests import digests as actions
from web.cli import main
from worker.digests import weekly_run as run

pytestmark = pytest.mark.once
FROZEN = "2026-W47"


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["digest", *words])
    assert done.exit_code == code, done.output
    return done.output


def look(slot: str) -> digests.Digest | None:
    with reading() as session:
        return digests.by_slot(session, slot)


def kept() -> list[AuditEntry]:
    with reading() as session:
        return session.query(AuditEntry).order_by(AuditEntry.id).all()


def compare(slug: str, at: datetime) -> None:
    with writing() as session:
        catalog.put_comparison(session, slug, ("inkwell", "patchbay"), "Which?", at, at)


def slot_of(now: datetime, weeks: int = 0) -> str:
    return schedule.of_digests().slot_of(now + timedelta(weeks=weeks))


@pytest.fixture
def readers(active, cast) -> int:
    for address in (cast.alice, cast.bob, cast.charlie):
        active(address)
    return 3


@pytest.fixture
def slot(database, readers) -> str:
    """This week's, by the real clock, since commands at a terminal are processes of their own."""
    now = datetime.now(UTC)
    load_catalogue(published=now - timedelta(days=1))
    return slot_of(now)


@pytest.fixture
def week(database, clock, readers) -> str:
    """This week's slot, where time stands still."""
    load_catalogue(published=clock.now - timedelta(days=1))
    return slot_of(clock.now)


# ---- asking ------------------------------------------------------------------------------------------------------


def test_at_a_terminal_sending_says_to_how_many_and_goes_on_only_when_told(slot):
    code, told = at_a_terminal("digest", "send", answer="n")
    assert f"The digest {slot} is frozen as it stands at that moment, and goes to 3 people." in told
    assert (code, look(slot)) == (1, None)
    assert "Nothing was done." in told
    code, told = at_a_terminal("digest", "send", answer="y")
    assert (code, look(slot).audience) == (0, 3)
    code, told = at_a_terminal("digest", "send")
    assert (code, "has gone already" in told, "[y/N]" in told) == (0, True, False)
    run.address_frozen()
    code, told = at_a_terminal("digest", "cancel", slot, answer="")
    assert "3 letters will never be sent" in told
    assert (code, look(slot).state) == (1, "sending")
    assert at_a_terminal("digest", "cancel", slot, answer="y")[0] == 0
    assert look(slot).state == "cancelled"


def test_at_a_terminal_skipping_says_who_goes_without(slot):
    code, told = at_a_terminal("digest", "skip", slot, answer="n")
    assert "none of 3 subscribers gets a letter for it. 1 comparison waits for the next digest." in told
    assert (code, look(slot)) == (1, None)
    assert at_a_terminal("digest", "skip", slot, answer="y")[0] == 0
    assert look(slot).state == "skipped"


def test_at_a_terminal_resolving_says_what_the_choice_does_to_how_many(sqlite):
    digest_id = make_digest(3)
    with writing() as session:
        session.query(Delivery).filter_by(about=digest_id).update({"state": "unknown"})
    for choice, does in (("--resend", "will be sent again"), ("--sent", "will count as sent")):
        code, told = at_a_terminal("deliveries", "resolve", FROZEN, choice, answer="n")
        assert (code, f"3 unknown letters {does}" in told) == (1, True)
    code, told = at_a_terminal("deliveries", "resolve", FROZEN, "--resend", "--yes")
    assert (code, "[y/N]" in told, "3 unknown letters are queued to be sent again." in told) == (0, False, True)


def test_a_script_and_whoever_says_yes_are_not_asked(slot):
    code, told = at_a_terminal("digest", "skip", slot, "--yes")
    assert (code, "[y/N]" in told) == (0, False)
    assert "frozen for 3 people" in command("send", slot)
    run.address_frozen()
    assert "is cancelled" in command("cancel", slot)


# ---- early -------------------------------------------------------------------------------------------------------


def test_a_week_that_has_not_begun_needs_a_reason(week, clock):
    to_come = slot_of(clock.now, 1)
    for words in ((), ("--dry-run",), ("--early", " ")):
        assert f"The week of {to_come} has not begun." in command("send", to_come, *words, code=1)
    assert look(to_come) is None, "nothing half-done"
    assert "would be sent to 3 people" in command("send", to_come, "--early", "holidays", "--dry-run")
    assert "frozen for 3 people" in command("send", to_come, "--early", "holidays")
    [entry] = kept()
    assert (entry.note, entry.after["early"]) == ("holidays", "holidays")


def test_a_second_digest_within_five_days_needs_a_reason(week, clock):
    command("send", week)
    compare("news", clock.forward(days=4, hours=23))
    earlier = slot_of(clock.now, -1)
    assert f"{week} went out on 2026-11-17 at 08:00 UTC, less than five days ago." in command(
        "send", earlier, "--late", code=1
    )
    clock.forward(hours=1)
    assert "frozen for 3 people" in command("send", earlier, "--late")


def test_the_clocks_own_catch_up_is_never_asked(week, clock):
    command("send", week)
    compare("news", clock.forward(days=4))
    to_come = slot_of(clock.now, 1)
    with writing() as session:
        digests.open_slot(session, to_come, clock.now - timedelta(minutes=1), clock.now)
    run.tick()
    assert look(to_come).state == "sending"


def test_what_was_held_or_skipped_goes_at_once_soon_after_the_last_only_with_a_reason(week, clock):
    earlier, skipped = slot_of(clock.now, -1), slot_of(clock.now, -2)
    command("skip", skipped)
    command("hold", earlier)
    command("send", week)
    compare("news", clock.forward(hours=1))
    command("assemble", skipped)
    with writing() as session:  # both are still within DIGEST_LATENESS
        for slot in (earlier, skipped):
            digests.get(session, slot).due_at = clock.now - timedelta(hours=2)
    command("assemble", skipped)
    assert (look(skipped).state, look(skipped).reason) == ("held", NOT_OWED)
    assert f"{week} went out on" in command("release", earlier, code=1)
    run.tick()
    assert {look(earlier).state, look(skipped).state} == {"held"}
    command("release", earlier, "--early", "a second edition")
    run.tick()
    assert look(earlier).state == "sending"
    assert (kept()[-1].note, kept()[-1].after["early"]) == ("a second edition", "a second edition")


# ---- what nobody means -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "told"),
    [("2031-W10", "lies 224 weeks ahead"), ("2019-W30", "weeks back"), ("W99", "is no slot"),
     ("2026-W99", "is no slot"), ("0001-W01", "weeks back"), ("9999-W52", "weeks ahead"), ("", "is no slot"),
     ("٢٠٢٦-W48", "is no slot"), ("２０２６-W48", "is no slot")],
)  # fmt: skip
def test_a_slot_that_nobody_means_is_refused(week, typed, told):
    for action in ("send", "skip", "hold", "assemble"):
        assert told in command(action, typed, code=1)
    with reading() as session:
        assert digests.listed(session) == []
    assert kept() == []


def test_a_slot_a_year_away_can_be_held(week, clock):
    command("hold", slot_of(clock.now, 53))
    command("hold", slot_of(clock.now, 54), code=1)


def test_two_operators_who_send_at_once_send_once(week, clock):
    together, found = threading.Barrier(2), []

    def press(name: str) -> None:
        together.wait()
        found.append(actions.send(Actor(name), week, clock.now)[1])

    both = [threading.Thread(target=press, args=(name,)) for name in ("dana", "olga")]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    assert sorted(found) == [False, True]
    assert [(each.action, each.count) for each in kept()] == [("digest.send", 3)]


# ---- nothing runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "told"),
    [((), "frozen for 3 people; nothing is running to send it"),
     (("web", "clock"), "frozen for 3 people; nothing is running to send it"),
     (("worker",), "frozen for 3 people; no sender is running to send it"),
     (("sender",), "frozen for 3 people; no worker is running to send it"),
     (("worker", "sender"), "sending to 3 people.\nFollow it: verdicts digest watch 2026-W")],
)  # fmt: skip
def test_what_was_frozen_says_whether_anything_sends_it(week, clock, running, told):
    with writing() as session:
        for kind in running:
            session.add(Heartbeat(process=f"host:{kind}", kind=kind, started_at=clock.now, at=clock.now))
    assert f"{week}: {told}" in command("send", week)
