"""One digest a slot, late rather than never: opened, frozen, addressed and finished by any number of clocks."""

import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text

from db.deliveries import accounts, addressing, deliveries, exceptions
from db.deliveries.exceptions import DeliveryFilter
from db.digests import catalog, digests, schedule
from db.rules import Refused
from db.session import reading, writing
from db.settings import settings
from db.subscribers import subscribers, subscriptions
from db.votes import tallies, votes
from emails import letters
from emails.letters import DigestContent
from tests import prepared
from tests.conftest import load_catalogue
from web.cli import main
from worker.digests import by_hand, digest_previews, freezing
from worker.digests import weekly_run as run
from worker.letters.composing import LETTERS, site

SLOT = "2026-W47"


def join(address: str, at: datetime) -> int:
    form = {"words": "w", "words_version": "1", "locale": "en", "form_url": "f", "ip": None, "user_agent": None}
    with writing() as session:
        subscriptions.request(session, address, **form, now=at)
        found = subscribers.by_address(session, address)
        assert found is not None
        [asked] = subscribers.history(session, found.id)
        subscriptions.confirm(session, asked.id, None, at)
        return found.id


def send(slot: str, now: datetime) -> digests.Digest:
    with writing() as session:
        return by_hand.send(session, slot, now)


def look(slot: str = SLOT) -> digests.Digest:
    with reading() as session:
        return digests.get(session, slot)


def account(slot: str = SLOT) -> accounts.Account:
    with reading(snapshot=True) as session:
        return accounts.account(session, digests.get(session, slot))


def compare(slug: str, at: datetime) -> None:
    with writing() as session:
        catalog.put_comparison(session, slug, ("inkwell", "patchbay"), "Which?", at, at)


@pytest.fixture
def started(catalogue, clock, cast) -> None:
    """A schedule that has been at work for a month, and Alice who reads."""
    with writing() as session:
        schedule.started(session, "digest", clock.now - timedelta(days=30))
    join(cast.alice, clock.now)


def test_a_week_passes_from_draft_to_finished(started, clock):
    run.tick()
    assert look().state == "draft"
    assert DigestContent.from_json(look().content).comparisons[0].slug == "quillmate-vs-inkwell"
    clock.set(datetime(2026, 11, 17, 9, 0, 1, tzinfo=UTC))
    run.tick()
    assert look().state == "sending"
    assert account().holds
    assert account().states["pending"] == 1


def test_a_clock_that_starts_late_catches_up_one_missed_slot(started, clock):
    clock.set(datetime(2026, 11, 20, 12, tzinfo=UTC))
    run.tick()
    assert look().state == "sending"


def test_a_slot_missed_for_longer_than_its_lateness_is_recorded_and_not_sent(started, clock):
    clock.set(datetime(2026, 12, 9, 12, tzinfo=UTC))
    compare("late-news", clock.now - timedelta(days=1))
    run.tick()
    assert (look().state, look().reason) == ("expired", "not sent in time")
    assert look("2026-W50").state == "sending"
    with reading() as session:
        states = {each.slot: each.state for each in digests.listed(session)}
    assert set(states.values()) == {"expired", "sending"}
    assert list(states) == sorted(states, reverse=True)


def test_a_new_site_catches_up_nothing(catalogue, clock, cast):
    join(cast.alice, clock.now)
    clock.set(datetime(2026, 11, 18, 9, tzinfo=UTC))
    run.tick()
    with reading() as session:
        assert digests.by_slot(session, SLOT) is None
    clock.set(datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC))
    run.tick()
    assert look("2026-W48").state == "sending"


def test_many_clocks_make_one_digest_and_address_each_reader_once(started, clock, cast):
    join(cast.bob, clock.now)
    clock.set(datetime(2026, 11, 17, 9, 0, 1, tzinfo=UTC))
    clocks = [threading.Thread(target=run.tick) for _ in range(4)]
    for thread in clocks:
        thread.start()
    for thread in clocks:
        thread.join()
    run.tick()
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM digests WHERE slot = '2026-W47'")) == 1
        assert session.scalar(text("SELECT count(*) FROM freezes")) == 1
    assert account().holds
    assert account().states["pending"] == 2


def test_an_empty_week_is_skipped_on_record_and_uses_nothing_up(started, clock):
    send(SLOT, clock.now)
    clock.set(datetime(2026, 12, 8, 9, 0, 1, tzinfo=UTC))
    run.tick()
    assert (look("2026-W50").state, look("2026-W50").reason) == ("skipped", "no comparison is new")
    compare("news", clock.now)
    assert send("2026-W50", clock.now).state == "frozen"


def test_without_readers_nothing_is_used_up(catalogue, clock):
    assert send(SLOT, clock.now).reason == "nobody has subscribed"
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM digest_comparisons")) == 0


def test_a_comparison_stands_in_one_digest_only(started, clock):
    send(SLOT, clock.now)
    clock.forward(days=7)
    compare("news", clock.now)
    content = DigestContent.from_json(send("2026-W48", clock.now).content)
    assert [each.slug for each in content.comparisons] == ["news"]


@pytest.mark.parametrize("ill", ["worker.digests.drafts.gather", "worker.digests.freezing.freeze"])
def test_a_digest_that_cannot_go_on_holds_up_no_other(started, clock, monkeypatch, ill):
    clock.set(datetime(2026, 11, 17, 9, 0, 1, tzinfo=UTC))
    with writing() as session:
        freezing.freeze(session, digests.open_slot(session, SLOT, clock.now, clock.now), clock.now)

    def fail(*_: object) -> None:
        raise RuntimeError("this week's words cannot be read")

    monkeypatch.setattr(ill, fail)
    clock.set(datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC))
    run.tick()
    assert look().state == "sending"
    with reading() as session:
        assert (digests.by_slot(session, "2026-W48") is None) == (ill == "worker.digests.drafts.gather")


def test_a_held_digest_waits_and_is_sent_late_when_released(started, clock):
    run.tick()
    with writing() as session:
        digests.move(session, SLOT, "hold", clock.now)
    clock.set(datetime(2026, 11, 18, 9, tzinfo=UTC))
    run.tick()
    assert look().state == "held"
    with pytest.raises(Refused, match="release it first"):
        send(SLOT, clock.now)
    with writing() as session:
        digests.move(session, SLOT, "release", clock.now)
    run.tick()
    assert look().state == "sending"


def test_released_too_late_it_expires(started, clock):
    run.tick()
    with writing() as session:
        digests.move(session, SLOT, "hold", clock.now)
    clock.set(datetime(2026, 11, 24, 8, tzinfo=UTC))
    run.tick()
    assert look().state == "expired"


def test_sending_twice_sends_once(started, clock):
    first = send(SLOT, clock.now)
    run.address_frozen()
    again = send(SLOT, clock.now)
    assert (again.id, again.state, again.html_sha256) == (first.id, "sending", first.html_sha256)


def test_the_freeze_leaves_no_vote_unfolded_and_stores_its_figures(started, clock, catalogue):
    with writing() as session:
        for number in range(3):
            votes.cast(session, f"anonymous:{number}", catalogue.inkwell, "ship", clock.now)
    send(SLOT, clock.now)
    inkwell = DigestContent.from_json(look().content).comparisons[0].tools[1]
    assert (inkwell.community.ship, inkwell.community.skip) == (3, 0)
    with reading() as session:
        assert votes.dirty(session) == 0
        assert tallies.figures(session, [catalogue.inkwell])[catalogue.inkwell].ship == 3
    with writing() as session:
        votes.cast(session, "anonymous:late", catalogue.inkwell, "skip", clock.now)
    assert DigestContent.from_json(look().content).comparisons[0].tools[1].community.skip == 0


def test_last_weeks_result_has_the_figures_of_this_freeze(started, clock, catalogue):
    send(SLOT, clock.now)
    clock.forward(days=7)
    compare("news", clock.now)
    with writing() as session:
        votes.cast(session, "anonymous:reader", catalogue.quillmate, "ship", clock.now)
    frozen = send("2026-W48", clock.now)
    content = DigestContent.from_json(frozen.content)
    assert content.last_slot == SLOT
    assert content.last_week
    assert [(tool.slug, tool.community.ship) for tool in content.last_week.tools] == [("quillmate", 1), ("inkwell", 0)]
    assert content.tool_slugs == ("inkwell", "patchbay", "quillmate")  # Inkwell keeps its first place
    assert frozen.tool_ids == [catalogue.inkwell, catalogue.patchbay, catalogue.quillmate]


def test_the_welcome_shows_the_digest_that_was_the_latest_when_its_reader_confirmed(started, clock, cast):
    join(cast.bob, clock.now)
    send(SLOT, clock.now + timedelta(minutes=1))
    clock.forward(hours=1)
    join(cast.charlie, clock.now)
    with reading() as session:
        asked = session.scalars(text("SELECT sign_up FROM consents WHERE what = 'given' ORDER BY id")).all()
        _, before, after = (LETTERS["welcome"](session, each, site(settings())) for each in asked)
    assert f"/digests/{SLOT}" not in before.text
    assert f"/digests/{SLOT}" in after.text
    assert "Quillmate vs Inkwell" in " ".join(after.text.split())
    assert settings().mail_from.split("<")[-1].strip(">") in after.text


def test_a_last_week_on_which_nobody_voted_is_left_out(started, clock):
    send(SLOT, clock.now)
    clock.forward(days=7)
    compare("news", clock.now)
    content = DigestContent.from_json(send("2026-W48", clock.now).content)
    assert (content.last_week, content.last_slot) == (None, None)


def test_the_freeze_is_told_in_the_newsletters_zone(started, clock, setting):
    setting(DIGEST_TIMEZONE="Asia/Kathmandu")
    content = DigestContent.from_json(send(SLOT, clock.now).content)
    assert content.cutoff == clock.now
    assert content.cutoff.utcoffset() == content.due.utcoffset() == timedelta(hours=5, minutes=45)


def test_what_is_frozen_renders_to_the_same_bytes_later(started, clock):
    send(SLOT, clock.now)
    frozen = look()
    again = letters.digest(DigestContent.from_json(frozen.content), site(settings())).chosen()
    with reading() as session:
        stored = digests.get(session, SLOT)
        assert (stored.html, stored.text) == (again.html, again.text)
    assert frozen.renderer == letters.renderer()


def test_who_comes_and_goes_while_a_digest_is_addressed_leaves_the_account_whole(started, clock, cast, monkeypatch):
    monkeypatch.setattr(addressing, "PAGE", 1)
    bob, charlie = join(cast.bob, clock.now), join(cast.charlie, clock.now)
    send(SLOT, clock.now)
    assert run._address_page(SLOT)
    assert account().holds
    join(cast.dana, clock.now)  # too late for this digest
    with writing() as session:
        subscriptions.leave(session, bob, "link", clock.now)  # in the audience, and gone before the claim
    assert account().holds
    run.address_frozen()
    assert account().holds
    assert (account().audience, account().rows) == (3, 3)
    assert charlie


def test_movers_are_tools_whose_share_changed_in_the_week(started, clock, catalogue):
    def vote(count: int, choice: votes.Choice, prefix: str) -> None:
        with writing() as session:
            for number in range(count):
                votes.cast(session, f"anonymous:{prefix}{number}", catalogue.inkwell, choice, clock.now)
            tallies.fold(session, clock.now)

    vote(5, "ship", "early")
    clock.forward(days=8)
    vote(5, "skip", "late")
    compare("news", clock.now)
    content = DigestContent.from_json(send("2026-W48", clock.now).content)
    assert [(each.slug, each.before, each.after) for each in content.movers] == [("inkwell", 100, 50)]


def test_a_test_letter_goes_to_one_address_and_again_when_asked_again(started, clock, cast):
    for _ in range(2):
        letter = digest_previews.draft_letter(SLOT, clock.now)
        with writing() as session:
            digest_previews.send_test(session, SLOT, letter, cast.dana, clock.now)
    with reading() as session:
        rows = session.execute(select(deliveries.Delivery.letter, deliveries.Delivery.person)).all()
        assert session.scalar(select(func.count()).select_from(digests.DigestComparison)) == 0
    tests = [person for letter, person in rows if letter == "test"]
    assert len(tests) == 2
    assert tests[0].startswith("address:")
    assert "dana" not in tests[0]


def test_with_local_time_each_reader_is_due_in_their_own_zone(started, clock, cast, setting):
    setting(DIGEST_LOCAL_TIME="true")
    bob = join(cast.bob, clock.now)
    with writing() as session:
        found = subscribers.find(session, bob)
        found.time_zone = "America/New_York"
    clock.set(datetime(2026, 11, 17, 9, 0, 5, tzinfo=UTC))
    run.tick()
    with reading() as session:
        due = {address: each.not_before for each, address in exceptions.listed(session, look(), DeliveryFilter())}
    assert due == {cast.alice: clock.now, cast.bob: datetime(2026, 11, 17, 14, tzinfo=UTC)}
    assert account().holds


# ---- the clock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slot", "due"),
    [("2026-W13", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)), ("2026-W43", datetime(2026, 10, 25, 0, 30, tzinfo=UTC))],
    ids=["the hour that is left out", "the hour that comes twice"],
)
def test_on_both_days_of_the_clock_change_it_goes_once_and_on_time(database, clock, cast, setting, slot, due):
    setting(DIGEST_SCHEDULE="SUN 02:30", DIGEST_TIMEZONE="Europe/Berlin")
    clock.set(due - timedelta(hours=3))
    load_catalogue(published=clock.now - timedelta(days=1))
    join(cast.alice, clock.now)
    with writing() as session:
        schedule.started(session, "digest", clock.now - timedelta(days=5))
    seen = []
    for _ in range(24):
        run.tick()
        seen.append(look(slot).state)
        clock.forward(minutes=15)
    assert seen == ["draft"] * 12 + ["sending"] * 12
    assert look(slot).frozen_at == due
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM freezes")) == 1


def test_a_clock_that_could_not_ring_loses_no_run(started, clock):
    run.tick()
    clock.set(datetime(2026, 11, 17, 9, 0, 1, tzinfo=UTC))
    script = "from worker import bell; bell.publish('digests')"
    rung = prepared.run("python", "-c", script, env=os.environ | {"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert "OperationalError" in rung.stderr
    assert look().state == "draft", "nobody was rung for"
    clock.forward(hours=7)  # Redis is back, and so is the clock's next ring
    run.tick()
    run.tick()
    assert (look().state, look().frozen_at) == ("sending", clock.now)
    assert account().states["pending"] == 1


def test_weeks_that_were_missed_are_each_recorded_once(started, clock):
    clock.set(datetime(2026, 12, 23, 12, tzinfo=UTC))
    compare("late-news", clock.now - timedelta(days=1))
    for _ in range(3):
        run.tick()
    with reading() as session:
        states = {each.slot: each.state for each in digests.listed(session)}
    # A month of the schedule's own life and 60 days are looked back on: from 24 October.
    assert states == {f"2026-W{week}": "expired" for week in range(44, 52)} | {"2026-W52": "sending"}


def test_clocks_in_several_processes_make_one_digest(database, cast):
    now = datetime.now(UTC)
    load_catalogue(published=now - timedelta(days=1))
    join(cast.alice, now)
    with writing() as session:
        digests.open_slot(session, SLOT, now - timedelta(minutes=1), now)
    command = ["python", "-c", "from worker.digests import weekly_run; weekly_run.tick()"]
    clocks = [prepared.Command(command) for _ in range(3)]
    assert [each.wait(60) for each in clocks] == [0, 0, 0]
    run.tick()
    with reading() as session:
        assert session.scalar(text("SELECT count(*) FROM freezes")) == 1
        assert session.scalar(text("SELECT count(*) FROM deliveries WHERE letter = 'digest'")) == 1
    assert look().state == "sending"


# ---- by command --------------------------------------------------------------------------------------------------


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["digest", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_a_slot_long_past_goes_only_when_that_is_said(started, clock):
    clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    compare("news", clock.now)
    assert "longer ago than DIGEST_LATENESS allows" in command("send", "2026-W01", code=1)
    assert "longer ago" in command("send", "2026-W01", "--dry-run", code=1)
    with reading() as session:
        assert digests.by_slot(session, "2026-W01") is None, "nothing half-done"
    assert "would be sent to 1 person; nothing was done" in command("send", "2026-W01", "--late", "--dry-run")
    assert "2026-W01: frozen for 1 person" in command("send", "2026-W01", "--late", "--note", "asked for")
    assert "has gone already" in command("send", "2026-W01")


def test_commands_stand_in_the_audit_and_a_dry_run_changes_nothing(started, clock):
    command("assemble", SLOT)
    command("hold", SLOT, "--reason", "a wrong figure")
    command("release", SLOT, "--note", "mended")
    command("send", SLOT)
    run.address_frozen()
    assert "1 letter would be cancelled; nothing was done" in command("cancel", SLOT, "--dry-run")
    assert look().state == "sending"
    command("cancel", SLOT, "--reason", "withdrawn")
    assert (look().state, look().reason) == ("cancelled", "withdrawn")
    with reading() as session:
        kept = session.execute(text("SELECT action, actor, note FROM audit ORDER BY id")).all()
    assert [(action, note) for action, _, note in kept] == [
        ("digest.assemble", None), ("digest.hold", "a wrong figure"), ("digest.release", "mended"),
        ("digest.send", None), ("digest.cancel", "withdrawn"),
    ]  # fmt: skip
    assert all(actor.startswith("command: ") for _, actor, _ in kept)
