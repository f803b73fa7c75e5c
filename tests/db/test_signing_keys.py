"""The site remembers which keys it signs with, and a process whose keys lack the newest one does not start."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from db import moments, signing_keys
from db.operators.audit import Actor
from db.rules import Refused
from db.secret_key import print_of
from db.session import reading, writing
from db.setting_errors import BadSettings
from db.settings import settings
from db.signing_keys import ForeignSigningKey, SigningKey, is_foreign, is_new
from db.subscribers import suppressions
from db.subscribers.subscribers import Subscriber
from emails import links
from web.actions import keys

PRINTS = st.sampled_from([f"{each:016x}" for each in range(4)])


@pytest.fixture(autouse=True)
def _forgotten(house) -> None:
    signing_keys.forget_checks()


def used() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(SigningKey.key_print).order_by(SigningKey.number)))


def starts_with(setting, secret_key: str) -> None:
    """What a process that starts with this SECRET_KEY does before it works."""
    setting(SECRET_KEY=secret_key)
    signing_keys.forget_checks()
    signing_keys.record()


def some_seconds_later() -> None:
    """The last successful checks count no more."""
    for known in (signing_keys._checked, signing_keys._recorded):
        known.update(dict.fromkeys(known, 0.0))


# ---- the rule ----------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(PRINTS, min_size=1, max_size=3, unique=True), max_size=8))
def test_whoever_starts_knows_the_key_that_signs_and_the_last_who_came_signs_with_it(starts):
    newest = None
    for own in starts:
        before = newest
        if is_new(newest, own):
            newest = own[0]
        assert is_foreign(before, own) == (newest not in own)
        assert is_foreign(newest, own) or newest == own[0]


@given(st.binary(min_size=1), st.text())
def test_a_print_is_no_other_mac_of_ours(key, name):
    told = print_of(key)
    assert len(told) == 16 == len(bytes.fromhex(told)) * 2
    others = [
        links.sign([key], purpose, 1, 2) for purpose in ("confirm", "unsubscribe", "preferences", "vote", "bounce")
    ]
    assert not any(told in each for each in [*others, links.sign_voter([key], name)])


# ---- starting ----------------------------------------------------------------------------------------------------


def test_the_first_process_s_key_is_the_sites(database, setting):
    starts_with(setting, "first")
    starts_with(setting, "first")
    assert used() == [print_of(b"first")]


def test_a_process_with_a_foreign_key_does_not_start_and_is_told_both_ways_out(database, setting):
    starts_with(setting, "first")
    with pytest.raises(ForeignSigningKey, match=r"SECRET_KEY=NEW,OLD.*verdicts db forget-key"):
        starts_with(setting, "foreign")
    with pytest.raises(ForeignSigningKey):
        signing_keys.check()
    assert used() == [print_of(b"first")]


def test_a_new_key_before_the_old_one_is_the_newest_and_the_old_alone_is_foreign_from_then_on(database, setting):
    starts_with(setting, "old")
    starts_with(setting, "new,old")
    starts_with(setting, "new")
    with pytest.raises(ForeignSigningKey):
        starts_with(setting, "old")
    assert used() == [print_of(b"old"), print_of(b"new")]


def test_a_rotation_can_be_taken_back(database, setting):
    starts_with(setting, "old")
    starts_with(setting, "new,old")
    starts_with(setting, "old,new")
    starts_with(setting, "old")


def test_a_process_that_runs_goes_on_after_a_rotation_but_a_sender_mails_nobody(database, setting):
    starts_with(setting, "old")
    with writing() as session:
        assert signing_keys.foreign_by_now(session) == ""
        session.add(SigningKey(number=2, key_print=print_of(b"new"), first_used_at=moments.now()))
    for look in (signing_keys.check, signing_keys.record):
        some_seconds_later()
        look()
    with reading() as session:
        assert "SECRET_KEY=NEW,OLD" in signing_keys.foreign_by_now(session)


def test_a_process_that_runs_stops_working_once_the_key_that_it_signs_with_is_forgotten(database, setting):
    starts_with(setting, "old")
    setting(SECRET_KEY="new")
    keys.forget(Actor("command: olga"), moments.now())
    with reading() as session:
        assert [each.key_print for each in signing_keys.lost(session, ())] == [print_of(b"new")]
    setting(SECRET_KEY="old")
    signing_keys._recorded[signing_keys._owner(settings())] = 0.0  # the command was another process
    for look in (signing_keys.check, signing_keys.record):
        with pytest.raises(ForeignSigningKey):
            look()


def test_a_process_that_runs_records_its_key_again_when_an_older_copy_of_the_database_is_restored(database, setting):
    starts_with(setting, "old")
    starts_with(setting, "new,old")
    with writing() as session:
        session.execute(delete(SigningKey).where(SigningKey.number == 2))
    some_seconds_later()
    signing_keys.check()
    signing_keys.record()
    assert used() == [print_of(b"old"), print_of(b"new")]


def test_to_check_writes_nothing(database, setting):
    setting(SECRET_KEY="first")
    signing_keys.check()
    assert used() == []


def test_of_two_first_processes_with_different_keys_exactly_one_starts(database, setting, monkeypatch):
    both, mine = threading.Barrier(2), threading.local()
    monkeypatch.setattr(signing_keys, "prints", lambda _: (print_of(mine.key),))
    monkeypatch.setattr(signing_keys, "_owner", lambda config: (config.database_url, (mine.key,)))
    read = signing_keys.refuse_foreign

    def read_together(session, config):
        found = read(session, config)
        if found is None:
            both.wait(10)  # both have seen a site without a key
        return found

    monkeypatch.setattr(signing_keys, "refuse_foreign", read_together)
    went = []

    def start(key: bytes) -> None:
        mine.key = key
        try:
            signing_keys.record()
            went.append(key)
        except ForeignSigningKey:
            went.append(None)

    threads = [threading.Thread(target=start, args=(key,)) for key in (b"mine", b"yours")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    [winner] = [each for each in went if each]
    assert len(went) == 2
    assert used() == [print_of(winner)]


# ---- where the key is kept ---------------------------------------------------------------------------------------


def test_no_key_is_made_when_the_database_is_postgresql(postgresql, setting, monkeypatch, house):
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(BadSettings, match=r"SECRET_KEY is missing.*PostgreSQL.*Set SECRET_KEY"):
        setting().keys  # noqa: B018
    with pytest.raises(BadSettings):
        signing_keys.record()
    assert not (house / "var").exists()


def test_where_the_keys_file_is_lost_none_is_made_in_its_place(sqlite, setting, monkeypatch, house):
    monkeypatch.delenv("SECRET_KEY")
    setting()
    signing_keys.record()
    kept = house / "var/secret_key"
    old = kept.read_bytes()
    kept.unlink()
    setting()
    signing_keys.forget_checks()
    with pytest.raises(ForeignSigningKey):
        signing_keys.record()
    assert not kept.exists()
    kept.write_bytes(old)
    setting()
    signing_keys.record()


# ---- an upgrade from 0.3.0 ---------------------------------------------------------------------------------------


def read_by(address: str, reason: str | None = None) -> None:
    with writing() as session:
        fields = {"address": address, "address_key": address, "state": "active", "created_at": moments.now()}
        session.add(Subscriber(**fields))
        session.flush()
        if reason:
            suppressions.suppress(session, address, reason, moments.now())


def test_after_an_upgrade_a_key_that_made_none_of_the_suppressions_is_foreign(database, setting, cast):
    setting(SECRET_KEY="old")
    read_by(cast.alice, "by hand")
    read_by(cast.bob, "complaint")
    with pytest.raises(ForeignSigningKey, match="the key of its suppressions"):
        starts_with(setting, "foreign")
    assert used() == []
    starts_with(setting, "new,old")
    assert used() == [print_of(b"new")]


# ---- a lost key --------------------------------------------------------------------------------------------------


def suppressed(*addresses: str) -> set[str]:
    with reading() as session:
        return suppressions.suppressed(session, list(addresses))


def test_whoever_is_suppressed_and_known_stays_so_when_the_key_is_lost(database, setting, cast):
    starts_with(setting, "lost")
    for address in (cast.alice, cast.bob):
        read_by(address, "by hand")
    read_by(cast.dana)
    with writing() as session:
        suppressions.suppress(session, cast.charlie, "complaint", moments.now())  # nobody's: a hash alone
    setting(SECRET_KEY="new")
    signing_keys.forget_checks()
    assert suppressed(cast.alice, cast.bob) == set()
    found = keys.losses()
    assert (found.suppressions_hashed_anew, found.suppressions_lost) == (2, 1)
    done = keys.forget(Actor("command: olga"), moments.now(), "the disk is gone")
    assert (done.suppressions_hashed_anew, done.suppressions_lost) == (2, 1)
    assert suppressed(cast.alice, cast.bob, cast.charlie, cast.dana) == {cast.alice, cast.bob}
    starts_with(setting, "new")
    assert used() == [print_of(b"new")]
    with pytest.raises(ForeignSigningKey):
        starts_with(setting, "lost")


def test_the_heavier_of_two_reasons_stays_when_both_hashes_become_one(database, setting, cast):
    starts_with(setting, "lost")
    read_by(cast.alice, "complaint")
    setting(SECRET_KEY="new")
    with writing() as session:
        suppressions.suppress(session, cast.alice, "by hand", moments.now())
    signing_keys.forget_checks()
    keys.forget(Actor("command: olga"), moments.now())
    with reading() as session:
        assert [each.reason for each in suppressions.page(session, None)] == ["complaint"]
        assert suppressions.of_address(session, cast.alice).reason == "complaint"


def test_an_old_key_that_is_taken_out_of_the_list_is_forgotten_in_the_same_way(database, setting, cast):
    starts_with(setting, "old")
    read_by(cast.alice, "by hand")
    starts_with(setting, "new,old")
    with pytest.raises(Refused, match="Nothing is lost"):
        keys.losses()
    starts_with(setting, "new")
    keys.forget(Actor("command: olga"), moments.now())
    assert suppressed(cast.alice) == {cast.alice}
    assert used() == [print_of(b"new")]


def test_a_foreign_key_after_an_upgrade_can_be_made_the_sites(database, setting, cast):
    setting(SECRET_KEY="lost")
    read_by(cast.alice, "by hand")
    setting(SECRET_KEY="new")
    keys.forget(Actor("command: olga"), moments.now())
    starts_with(setting, "new")
    assert suppressed(cast.alice) == {cast.alice}
