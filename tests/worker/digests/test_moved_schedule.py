"""The schedule moves while clocks run, stand still, jump and disagree: nothing goes at once, twice, or is lost."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, text

from db.digests import catalog, digests, rule_history, schedule
from db.monitoring.heartbeats import Heartbeat
from db.session import reading, writing
from tests.worker.digests.test_digests import join
from worker.alerts import checks
from worker.digests import by_hand, digest_previews
from worker.digests import weekly_run as run
from worker.processes import clock_rules

pytestmark = pytest.mark.once

WEDNESDAY = datetime(2026, 11, 18, 12, tzinfo=UTC)
HOST = "near:1"


def look(slot: str) -> digests.Digest:
    with reading() as session:
        return digests.get(session, slot)


def states() -> dict[str, str]:
    with reading() as session:
        return {each.slot: each.state for each in reversed(digests.listed(session))}


def beats(rule: str, clock, zone: str = "UTC", process: str = HOST, kind: str = "clock", lived: float = 3600):
    """That process lives, for so many seconds already, and runs with this rule."""
    runs_with = {"DIGEST_SCHEDULE": rule, "DIGEST_TIMEZONE": zone}
    began = clock.now - timedelta(seconds=lived)
    row = Heartbeat(process=process, kind=kind, started_at=began, at=clock.now, alive_at=clock.now, runs_with=runs_with)
    with writing() as session:
        session.execute(delete(Heartbeat).where(Heartbeat.process == process))
        session.add(row)


def tick(clock, rule: str, zone: str = "UTC") -> None:
    """The clock rings; as each week has news, no digest is skipped for want of any."""
    beats(rule, clock, zone)
    news = f"news-{clock.now:%Y-%m-%d-%H-%M}"
    with writing() as session:
        catalog.put_comparison(session, news, ("inkwell", "patchbay"), "Which?", clock.now, clock.now)
    run.tick()


def rules() -> list[tuple[str, datetime]]:
    with reading() as session:
        return [(each.rule.in_words, each.holds_from) for each in rule_history.history(session)]


@pytest.fixture
def readers(catalogue, clock, cast) -> None:
    """Alice reads; the schedule has been in use for a month, and the last two weeks went on Fridays."""
    clock.set(WEDNESDAY - timedelta(days=30))
    with writing() as session:
        schedule.started(session, "digest", clock.now)
    join(cast.alice, clock.now)
    clock.set(WEDNESDAY)


def test_the_first_tick_after_the_upgrade_dates_its_rule_from_the_schedules_first_use(readers, clock):
    clock.set(datetime(2026, 11, 21, 12, tzinfo=UTC))  # a Saturday: the upgrade took all of Friday
    tick(clock, "FRI 09:00")
    assert rules() == [("Every Friday at 09:00 (UTC)", WEDNESDAY - timedelta(days=30))]
    assert look("2026-W47").state == "sending", "the Friday that fell into the upgrade is caught up"
    tick(clock, "FRI 09:00")
    assert len(rules()) == 1


def test_from_friday_to_monday_on_a_wednesday_nothing_goes_and_an_editor_decides(readers, clock):
    tick(clock, "FRI 09:00")
    clock.forward(minutes=5)
    tick(clock, "MON 09:00")
    between = look("2026-W47")
    assert (between.state, between.due_at) == ("held", datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert str(between.reason).startswith("The schedule moved on Wednesday, 18 November")
    with reading() as session:
        assert [alert.key for alert in checks.weeks_between(session, clock.now)] == ["moved:2026-W47"]
    for _ in range(4 * 4):
        clock.forward(hours=6)
        tick(clock, "MON 09:00")
        assert look("2026-W47").state == "held"
    clock.set(datetime(2026, 11, 23, 9, 0, 1, tzinfo=UTC))
    tick(clock, "MON 09:00")
    assert states()["2026-W48"] == "sending"
    assert (look("2026-W47").state, look("2026-W47").reason) == ("expired", "not released before the next one was due")


def test_released_it_goes_at_the_old_hour_and_no_later_tick_holds_it_again(readers, clock):
    tick(clock, "FRI 09:00")
    tick(clock, "MON 09:00")
    with writing() as session:
        digests.move(session, "2026-W47", "release", clock.now)
    clock.forward(hours=1)
    tick(clock, "TUE 09:00")
    assert look("2026-W47").state == "draft", "the editor has decided, whatever the schedule does next"
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    tick(clock, "TUE 09:00")
    assert look("2026-W47").state == "sending"


def test_from_monday_to_friday_this_week_has_had_its_letter(readers, clock):
    clock.set(datetime(2026, 11, 16, 9, 0, 1, tzinfo=UTC))
    tick(clock, "MON 09:00")
    for _ in range(4 * 7):
        clock.forward(hours=6)
        tick(clock, "FRI 09:00")
    sent = [slot for slot, state in states().items() if state == "sending"]
    assert sent == ["2026-W47"]
    with reading() as session:
        coming = rule_history.to_come(session, clock.now, clock.now + timedelta(weeks=2))
    assert [each.due for each in coming] == [datetime(2026, 11, day, 9, tzinfo=UTC) for day in (27,)] + [
        datetime(2026, 12, 4, 9, tzinfo=UTC)
    ]
    assert not {"held", "draft"} & set(states().values())


def test_the_open_draft_follows_a_rule_whose_hour_is_still_to_come(readers, clock):
    clock.set(datetime(2026, 11, 19, 12, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    assert look("2026-W47").state == "draft"
    tick(clock, "SAT 18:00", "Europe/Berlin")
    draft = look("2026-W47")
    assert (draft.state, draft.due_at) == ("draft", datetime(2026, 11, 21, 17, tzinfo=UTC))
    assert str(draft.content).count("2026-11-21T18:00") == 1, "and so does what it says"
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    tick(clock, "SAT 18:00", "Europe/Berlin")
    assert look("2026-W47").state == "draft"


def test_the_open_draft_is_held_where_the_new_hour_has_passed_and_let_go_when_it_is_moved_back(readers, clock):
    clock.set(datetime(2026, 11, 20, 8, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    tick(clock, "FRI 07:00")
    held = look("2026-W47")
    assert (held.state, held.due_at) == ("held", datetime(2026, 11, 20, 9, tzinfo=UTC))
    clock.forward(minutes=5)
    tick(clock, "FRI 09:00")
    assert (look("2026-W47").state, look("2026-W47").reason) == ("draft", None)
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    assert look("2026-W47").state == "sending"


def test_what_an_editor_holds_stays_held(readers, clock):
    clock.set(datetime(2026, 11, 19, 12, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    with writing() as session:
        digests.move(session, "2026-W47", "hold", clock.now, "a wrong figure")
    tick(clock, "SAT 09:00")
    tick(clock, "FRI 09:00")
    assert (look("2026-W47").state, look("2026-W47").reason) == ("held", "a wrong figure")


def test_a_friday_that_passed_while_no_clock_ran_goes_late_although_the_rule_has_changed_since(readers, clock):
    tick(clock, "FRI 09:00")
    clock.set(datetime(2026, 11, 21, 12, tzinfo=UTC))
    tick(clock, "MON 09:00")
    assert look("2026-W47").state == "sending"
    assert look("2026-W47").due_at == datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_a_monday_of_the_new_rule_that_passed_while_no_clock_ran_is_not_owed(readers, clock):
    clock.set(datetime(2026, 11, 13, 9, 0, 1, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    clock.set(WEDNESDAY)
    tick(clock, "MON 09:00")
    assert states()["2026-W46"] == "sending"
    assert states()["2026-W47"] == "held"


def test_an_outage_longer_than_the_lateness_is_recorded_under_the_rules_that_stood(readers, clock):
    tick(clock, "FRI 09:00")
    clock.set(datetime(2026, 12, 9, 12, tzinfo=UTC))
    tick(clock, "MON 09:00")
    found = states()
    assert (found["2026-W47"], found["2026-W48"], found["2026-W49"]) == ("expired", "expired", "sending")
    assert found["2026-W50"] == "held", "its Monday had passed, and its Friday will not come"


@pytest.mark.parametrize("day", ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"])
def test_a_moved_weekday_never_sends_at_once(readers, clock, day):
    tick(clock, "FRI 09:00")
    before = states()
    tick(clock, f"{day} 09:00")
    assert {slot: state for slot, state in states().items() if state == "sending"} == {
        slot: state for slot, state in before.items() if state == "sending"
    }


def test_ticks_at_the_same_moment_record_a_change_once(readers, clock):
    tick(clock, "FRI 09:00")
    clock.forward(minutes=5)
    beats("MON 09:00", clock)
    ticks = [threading.Thread(target=run.tick) for _ in range(4)]
    for thread in ticks:
        thread.start()
    for thread in ticks:
        thread.join()
    assert len(rules()) == 2
    assert look("2026-W47").state == "held"


# ---- clocks that disagree --------------------------------------------------------------------------------------


def test_while_two_clocks_disagree_nothing_opens_or_freezes_and_the_slot_stays_owed(readers, clock):
    clock.set(datetime(2026, 11, 19, 12, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    beats("MON 09:00", clock, process="far:2")
    tick(clock, "FRI 09:00")
    assert look("2026-W47").state == "draft"
    assert len(rules()) == 1
    with reading() as session:
        [alert] = checks.disagreeing_clocks(session, clock.now)
    told = " ".join(alert.told)
    assert "near:1 runs with: Every Friday at 09:00 (UTC)." in told
    assert "far:2 runs with: Every Monday at 09:00 (UTC)." in told
    clock.forward(hours=2)  # far:2 was stopped
    tick(clock, "FRI 09:00")
    assert look("2026-W47").state == "sending"


def test_a_clock_that_was_restarted_with_another_rule_is_no_quarrel(readers, clock):
    tick(clock, "FRI 09:00")
    clock.forward(seconds=5)
    beats("SAT 09:00", clock, process="near:2", lived=2)
    run.tick()
    assert len(rules()) == 1, "who of the two still lives is known in a minute"
    with reading() as session:
        assert clock_rules.disagreeing(session, clock.now) == {}
    clock.forward(seconds=61)
    beats("SAT 09:00", clock, process="near:2")
    run.tick()
    assert [rule for rule, _ in rules()] == ["Every Friday at 09:00 (UTC)", "Every Saturday at 09:00 (UTC)"]


def test_a_worker_or_a_command_with_another_rule_changes_nothing_and_is_named(readers, clock, setting):
    tick(clock, "FRI 09:00")
    setting(DIGEST_SCHEDULE="MON 09:00")
    beats("MON 09:00", clock, process="near:7", kind="worker")
    clock.forward(seconds=5)
    tick(clock, "FRI 09:00")
    assert len(rules()) == 1
    with reading() as session:
        theirs, own = clock_rules.differences(session, clock.now)
    told = "worker near:7 runs with “Every Monday at 09:00 (UTC)”; what counts is the clock’s rule, “Every Friday at"
    assert theirs.startswith(told)
    assert own.startswith("this process runs with")
    clock.forward(minutes=10)  # the clock has died; a commit rings
    run.tick()
    assert len(rules()) == 1


def test_what_a_process_tells_and_nobody_here_can_read_is_no_rule(readers, clock):
    tick(clock, "FRI 09:00")
    beats("sometimes", clock, process="far:2")
    beats("FRI 09:00", clock, "Mars/Olympus", process="far:3")
    tick(clock, "FRI 09:00")
    assert len(rules()) == 1
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    assert look("2026-W47").state == "sending"


def test_clocks_that_tell_no_rule_leave_it_to_the_worker_that_they_ring_for(readers, clock, setting):
    setting(DIGEST_SCHEDULE="FRI 09:00")
    with writing() as session:
        session.add(Heartbeat(process=HOST, kind="clock", started_at=clock.now, at=clock.now))
    run.tick()
    assert [rule for rule, _ in rules()] == ["Every Friday at 09:00 (UTC)"]


# ---- a clock that jumps ----------------------------------------------------------------------------------------


def test_a_clock_that_jumps_ahead_and_back_opens_no_hundred_slots_and_sends_none_twice(readers, clock):
    tick(clock, "FRI 09:00")
    clock.set(datetime(2031, 5, 7, 12, tzinfo=UTC))
    tick(clock, "MON 09:00")
    assert len(states()) < 15, "of what it took for years of missed weeks, 60 days are recorded"
    assert list(states().values()).count("sending") <= 2
    clock.set(WEDNESDAY + timedelta(hours=1))
    before = states()
    tick(clock, "FRI 09:00")
    assert states() == before
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    assert look("2026-W47").state == "sending"
    with reading() as session:
        assert rule_history.standing(session).in_words == "Every Friday at 09:00 (UTC)"


def test_a_site_whose_first_tick_came_under_a_wrong_date_does_not_wait_for_it(catalogue, clock, cast):
    join(cast.alice, clock.now)
    clock.set(datetime(2031, 5, 7, 12, tzinfo=UTC))
    beats("FRI 09:00", clock)
    run.tick()
    clock.set(WEDNESDAY)
    beats("FRI 09:00", clock)
    run.tick()
    clock.set(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC))
    beats("FRI 09:00", clock)
    run.tick()
    assert look("2026-W47").state == "sending"


def test_a_date_that_was_set_back_for_a_while_makes_nothing_owed_of_before_the_sites_first_tick(readers, clock):
    with writing() as session:
        session.execute(text("DELETE FROM schedules"))
    tick(clock, "TUE 09:00")
    for rule in ("TUE 09:00", "MON 09:00"):
        clock.set(datetime(2020, 1, 1, tzinfo=UTC))  # a machine without a battery has started
        tick(clock, rule)
        clock.set(WEDNESDAY + timedelta(minutes=1))
        tick(clock, "TUE 09:00")
        assert [slot for slot in states() if slot.startswith("2026")] == []
    clock.set(datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC))
    tick(clock, "TUE 09:00")
    assert states()["2026-W48"] == "sending"


# ---- opened by hand --------------------------------------------------------------------------------------------


def test_a_test_letter_of_a_slot_that_was_never_owed_does_not_send_it_to_everybody(readers, clock, cast):
    clock.set(datetime(2026, 11, 16, 10, tzinfo=UTC))
    with writing() as session:
        session.execute(text("DELETE FROM schedules"))
    tick(clock, "MON 09:00")
    letter = digest_previews.draft_letter("2026-W47", clock.now)
    with writing() as session:
        digest_previews.send_test(session, "2026-W47", letter, cast.dana, clock.now)
    run.tick()
    assert look("2026-W47").state == "held"
    with writing() as session:
        by_hand.send(session, "2026-W47", clock.now)
    assert look("2026-W47").state == "frozen", "to send it is to say so"


def test_what_an_editor_holds_over_the_schedules_own_reason_stays_held(readers, clock):
    clock.set(datetime(2026, 11, 19, 12, tzinfo=UTC))
    tick(clock, "FRI 09:00")
    tick(clock, "MON 09:00")
    with writing() as session:
        digests.move(session, "2026-W47", "hold", clock.now, "no letter this week")
    tick(clock, "FRI 09:00")
    assert (look("2026-W47").state, look("2026-W47").reason) == ("held", "no letter this week")
