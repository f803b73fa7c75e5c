"""One vote a voter and tool; the last word counts, and nothing is counted twice however it is folded."""

import threading
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given
from hypothesis import settings as rule
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from db.digests import catalog
from db.driver import driver_connection
from db.session import reading, writing
from db.votes import tallies, votes
from db.votes.votes import Vote

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
FIELDS = dict.fromkeys(("name", "category", "tagline", "entry", "url", "summary"), "x")


def cast(voter: str, tool_id: int, choice: votes.Choice, at: datetime = NOW) -> None:
    with writing() as session:
        votes.cast(session, voter, tool_id, choice, at)


def fold(at: datetime = NOW) -> int:
    with writing() as session:
        return tallies.fold(session, at)


def merge(anonymous: str, subscriber_id: int) -> None:
    with writing() as session:
        votes.merge(session, anonymous, subscriber_id)


def seen(tool_id: int, voter: str | None = None) -> tallies.Figures:
    with reading() as session:
        return tallies.figures(session, [tool_id], voter)[tool_id]


def proof() -> tallies.Proof:
    with reading(snapshot=True) as session:
        return tallies.check(session)


def test_alice_sees_her_own_vote_at_once_and_others_see_it_once_folded(catalogue):
    cast("anonymous:alice", catalogue.inkwell, "ship")
    assert seen(catalogue.inkwell, "anonymous:alice") == tallies.Figures(1, 0, "ship")
    assert seen(catalogue.inkwell) == tallies.Figures(0, 0)
    assert fold() == 1
    assert seen(catalogue.inkwell, "anonymous:alice") == tallies.Figures(1, 0, "ship")
    assert seen(catalogue.inkwell, "anonymous:bob") == tallies.Figures(1, 0)


def test_a_vote_is_committed_by_its_one_step_and_holds_no_lock_after_it(catalogue):
    """SQLite commits a statement that returns rows only once they are all fetched, and other writers wait meanwhile."""
    with driver_connection(durable=False) as alice:
        open_cursor = alice._raw.execute(
            alice._placeholders(votes._CAST_BY_SLUG), ("anonymous:alice", "ship", alice.at(NOW), "inkwell")
        )
        assert seen(catalogue.inkwell, "anonymous:alice").own == "ship"
        cast("anonymous:bob", catalogue.inkwell, "skip")
        assert open_cursor.rowcount == 1
    assert fold() == 2


def test_a_vote_on_a_tool_that_is_not_there_is_told_and_leaves_no_row(catalogue):
    with driver_connection(durable=False) as driver:
        assert votes.cast_at_once(driver, "anonymous:alice", "inkwell", "ship", NOW)
        assert votes.cast_at_once(driver, "anonymous:alice", "inkwell", "skip", NOW), "a vote that is changed"
        assert not votes.cast_at_once(driver, "anonymous:alice", "nowhere", "ship", NOW)
    assert fold() == 1
    assert seen(catalogue.inkwell) == tallies.Figures(0, 1)


def test_bob_changes_his_mind_and_counts_once(catalogue):
    for choice in ("ship", "skip", "ship", "skip"):
        cast("anonymous:bob", catalogue.inkwell, choice)
        fold()
    assert seen(catalogue.inkwell) == tallies.Figures(0, 1)
    assert fold() == 0
    assert proof() == tallies.Proof(0, ())


def test_a_withdrawn_vote_counts_as_none_and_can_be_cast_again(catalogue):
    cast("anonymous:bob", catalogue.inkwell, "ship")
    fold()
    with writing() as session:
        votes.withdraw(session, "anonymous:bob", catalogue.inkwell, NOW)
        votes.withdraw(session, "anonymous:nobody", catalogue.inkwell, NOW)
    assert seen(catalogue.inkwell, "anonymous:bob") == tallies.Figures(0, 0)
    fold()
    assert seen(catalogue.inkwell) == tallies.Figures(0, 0)
    cast("anonymous:bob", catalogue.inkwell, "skip")
    assert seen(catalogue.inkwell, "anonymous:bob") == tallies.Figures(0, 1, "skip")


def test_a_flagged_vote_leaves_the_tally_and_its_voter_does_not_notice(catalogue):
    cast("anonymous:robot", catalogue.inkwell, "ship")
    fold()
    with writing() as session:
        session.execute(update(Vote).values(flag="too fast", dirty=True))
    fold()
    assert seen(catalogue.inkwell) == tallies.Figures(0, 0)
    assert seen(catalogue.inkwell, "anonymous:robot") == tallies.Figures(1, 0, "ship")
    assert not proof().faults


def test_when_alice_subscribes_the_later_of_two_votes_is_hers(catalogue):
    later = NOW + timedelta(minutes=5)
    cast("subscriber:7", catalogue.inkwell, "skip", later)
    cast("anonymous:alice", catalogue.inkwell, "ship", NOW)
    cast("anonymous:alice", catalogue.quillmate, "ship", NOW)
    fold()
    with writing() as session:
        assert votes.merge(session, "anonymous:alice", 7) == 2
    fold()
    assert seen(catalogue.inkwell, "subscriber:7") == tallies.Figures(0, 1, "skip")
    assert seen(catalogue.quillmate, "subscriber:7") == tallies.Figures(1, 0, "ship")
    with reading() as session:
        kinds = {row.kind: (row.ship, row.skip) for row in session.scalars(select(tallies.Tally))
                 if row.tool_id == catalogue.quillmate}  # fmt: skip
    assert kinds == {"anonymous": (0, 0), "subscriber": (1, 0)}
    assert not proof().faults


def test_a_subscribers_votes_are_never_given_to_another(catalogue):
    cast("subscriber:7", catalogue.inkwell, "ship")
    with writing() as session:
        assert votes.merge(session, "subscriber:7", 8) == 0


def test_a_newer_word_on_its_way_is_not_overwritten_by_an_older_one_given_to_a_subscriber(catalogue):
    inkwell = catalogue.inkwell
    cast("subscriber:7", inkwell, "ship", NOW - timedelta(days=2))
    cast("anonymous:alice", inkwell, "ship", NOW - timedelta(days=1))
    with writing() as session:
        votes.cast(session, "subscriber:7", inkwell, "skip", NOW)
        beside = threading.Thread(target=merge, args=("anonymous:alice", 7))
        beside.start()
        beside.join(timeout=0.5)  # it waits for the word that has not been committed yet
    beside.join(timeout=20)
    assert seen(inkwell, "subscriber:7").own == "skip"


def test_a_folder_and_a_browser_that_confirms_never_wait_for_each_other(catalogue):
    cast("anonymous:alice", catalogue.inkwell, "ship")
    cast("anonymous:alice", catalogue.quillmate, "ship")
    with writing() as session:  # the folder's rows, in the folder's order
        first, second = session.scalars(select(Vote.id).order_by(Vote.id))
        session.scalars(select(Vote).where(Vote.id == first).with_for_update()).one()
        beside = threading.Thread(target=merge, args=("anonymous:alice", 7))
        beside.start()
        beside.join(timeout=0.5)
        session.scalars(select(Vote).where(Vote.id == second).with_for_update()).one()
    beside.join(timeout=20)
    assert seen(catalogue.quillmate, "subscriber:7").own == "ship"


def test_folders_that_run_together_count_each_vote_once(catalogue):
    for number in range(120):
        cast(f"anonymous:{number}", (catalogue.inkwell, catalogue.quillmate)[number % 2], "ship")
    threads = [threading.Thread(target=lambda: [fold() for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fold()
    assert seen(catalogue.inkwell).ship + seen(catalogue.quillmate).ship == 120
    assert proof() == tallies.Proof(0, ())


def test_the_check_names_what_is_off_and_rebuild_mends_it(catalogue):
    cast("anonymous:alice", catalogue.inkwell, "ship")
    fold()
    with writing() as session:
        session.execute(text("UPDATE tallies SET ship = 40"))
    assert any("the tally says (40, 0)" in fault for fault in proof().faults)
    with writing() as session:
        assert tallies.rebuild(session, NOW) == 1
    assert proof() == tallies.Proof(0, ())
    assert seen(catalogue.inkwell) == tallies.Figures(1, 0)


def test_the_trend_ends_today_and_starts_with_the_first_vote(catalogue):
    cast("anonymous:alice", catalogue.inkwell, "ship", NOW)
    fold(NOW - timedelta(weeks=2))
    cast("anonymous:bob", catalogue.inkwell, "skip")
    fold(NOW)
    with reading() as session:
        points = tallies.trend(session, catalogue.inkwell, NOW.date(), weeks=4)
    assert [percent for _, percent in points] == [None, 100, 100, 50]
    assert points[-1][0] == NOW.date()


voters = st.sampled_from(["anonymous:a", "anonymous:b", "subscriber:1", "subscriber:2"])
orders = st.lists(
    st.one_of(
        st.tuples(st.just("cast"), voters, st.integers(0, 1), st.sampled_from(["ship", "skip"])),
        st.tuples(st.just("withdraw"), voters, st.integers(0, 1)),
        st.tuples(st.just("merge"), st.sampled_from(["anonymous:a", "anonymous:b"]), st.integers(1, 2)),
        st.tuples(st.just("fold")),
    ),
    max_size=25,
)


@given(orders=orders)
@rule(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_voters_do_the_tallies_hold_at_every_step(sqlite, orders):
    with writing() as session:
        for table in ("votes", "tallies", "tally_days", "figure_changes", "tools"):
            session.execute(text(f"DELETE FROM {table}"))
        for number in (1, 2):
            catalog.put_tool(session, f"tool-{number}", FIELDS, [])
        tools = [catalog.tool_id(session, f"tool-{number}") for number in (1, 2)]
    for step, (what, *said) in enumerate(orders):
        now = NOW + timedelta(seconds=step)
        with writing() as session:
            if what == "cast":
                votes.cast(session, said[0], tools[said[1]], said[2], now)
            elif what == "withdraw":
                votes.withdraw(session, said[0], tools[said[1]], now)
            elif what == "merge":
                votes.merge(session, *said)
            else:
                tallies.fold(session, now)
        assert not proof().faults
    while fold():
        pass
    assert proof() == tallies.Proof(0, ())
    with reading() as session:
        standing = session.execute(select(Vote.tool_id, Vote.choice).where(Vote.choice.is_not(None))).all()
    for tool_id in tools:
        mine = [choice for at, choice in standing if at == tool_id]
        assert seen(tool_id) == tallies.Figures(mine.count("ship"), mine.count("skip"))


def test_a_freeze_that_folds_twice_and_a_folder_never_wait_for_each_other(catalogue):
    cast("anonymous:alice", catalogue.inkwell, "ship")
    ended = threading.Event()

    def fold_beside() -> None:
        fold()
        ended.set()

    with writing() as session:
        tallies.fold(session, NOW, [catalogue.inkwell])
        beside = threading.Thread(target=fold_beside)
        beside.start()
        while tallies.fold(session, NOW, [catalogue.inkwell]):
            pass
    beside.join(timeout=20)
    assert ended.is_set()
    assert proof() == tallies.Proof(0, ())
