"""People come from a file with their consent, and nobody who left is brought back by it."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from db.deliveries import deliveries
from db.deliveries.deliveries import Delivery
from db.operators.audit import AuditEntry
from db.session import reading, writing
from db.subscribers import audiences, subscribers, subscriptions, suppressions
from db.subscribers.subscribers import Consent
from db.votes import tallies, votes
from web.cli import main

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)
CONSENT = "Ticked the box at the spring fair"


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["subscribers", *words])
    assert done.exit_code == code, done.output
    return done.output


def bring(text: str, code: int = 0) -> str:
    Path("people.csv").write_text(text)
    return run("import", "people.csv", "--consent", CONSENT, code=code)


def test_people_are_imported_with_their_proof_and_again_changes_nothing(database, cast):
    assert "2 added" in bring(f"email,time_zone\n{cast.alice},Europe/Berlin\n{cast.bob},\n")
    assert "2 unchanged" in bring(f"email\n{cast.alice.upper()}\n{cast.bob}\n")
    with reading() as session:
        alice = subscribers.by_address(session, cast.alice)
        assert (alice.state, alice.time_zone) == ("active", "Europe/Berlin")
        [proof] = subscribers.history(session, alice.id)
        assert (proof.what, proof.words, proof.source) == ("imported", CONSENT, "people.csv")
    assert run("show", cast.alice).startswith("state: active\n")


def test_who_left_was_erased_or_is_suppressed_is_not_brought_back_and_is_listed(database, cast):
    bring(f"email\n{cast.alice}\n{cast.bob}\n{cast.charlie}\n{cast.dana}\n")
    with writing() as session:
        subscriptions.leave(session, subscribers.by_address(session, cast.alice).id, "link", NOW)
    run("erase", cast.bob, "--yes")
    run("suppress", cast.charlie)
    told = bring(f"email\n{cast.alice}\n{cast.bob}\n{cast.charlie}\n{cast.dana}\n")
    assert f"not brought back: {cast.alice}: unsubscribed" in told
    assert f"not brought back: {cast.bob}: suppressed" in told
    assert f"not brought back: {cast.charlie}: suppressed" in told
    assert "1 unchanged" in told


def test_who_left_is_not_brought_back_because_somebody_typed_the_address_again(database, cast):
    bring(f"email\n{cast.alice}\n")
    form = {"words": "Yes", "words_version": "1", "locale": "en", "form_url": "/", "ip": None, "user_agent": None}
    with writing() as session:
        subscriptions.leave(session, subscribers.by_address(session, cast.alice).id, "link", NOW)
        subscriptions.request(session, cast.alice, **form, now=NOW)
        subscriptions.request(session, cast.bob, **form, now=NOW)
    told = bring(f"email\n{cast.alice}\n{cast.bob}\n")
    assert f"not brought back: {cast.alice}: unsubscribed" in told
    assert f"not brought back: {cast.bob}: pending" in told
    with reading() as session:
        assert subscribers.by_address(session, cast.bob).state == "pending"


def test_what_is_erased_leaves_nothing_but_a_hash(database, cast, catalogue):
    bring(f"email\n{cast.bob}\n")
    with writing() as session:
        voter = f"subscriber:{subscribers.by_address(session, cast.bob).id}"
        votes.cast(session, voter, catalogue.inkwell, "ship", NOW)
        tallies.fold(session, NOW)
        deliveries.owe(session, "welcome", 1, voter, NOW)
        session.query(Delivery).one().reply = f"550 5.1.1 <{cast.bob}>: unknown"
    run("erase", cast.bob, "--yes")
    with writing() as session:
        tallies.fold(session, NOW)
        assert tallies.figures(session, [catalogue.inkwell])[catalogue.inkwell].ship == 0
        found = session.query(subscribers.Subscriber).one()
        assert (found.state, found.address, found.address_key) == ("erased", None, None)
        assert all(entry.address is None for entry in subscribers.history(session, found.id))
        assert session.query(Delivery).one().reply is None
    assert "never been a subscriber" in run("show", cast.bob, code=1)


def test_a_freeze_that_folds_and_an_erasure_never_wait_for_each_other_in_a_circle(database, cast, catalogue):
    bring(f"email\n{cast.bob}\n")
    with writing() as session:
        votes.cast(
            session, f"subscriber:{subscribers.by_address(session, cast.bob).id}", catalogue.inkwell, "ship", NOW
        )
    beside = threading.Thread(target=run, args=("erase", cast.bob, "--yes"))
    with writing() as session:
        audiences.count_audience(session, NOW)
        beside.start()
        beside.join(timeout=0.5)
        tallies.fold(session, NOW)
    beside.join(timeout=20)
    with reading() as session:
        assert session.query(subscribers.Subscriber).one().state == "erased"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nAlice\n", "has no column named email"),
        ("email\nalice@reader.example\nnobody\n", "people.csv:3: 'nobody'"),
        ("email,time_zone\nalice@reader.example,Mars/Base\n", "is no time zone"),
        ('email\n"alice@reader.example\n', "is no valid CSV"),
        ("", "has no column named email"),
    ],
)
def test_a_file_with_anything_wrong_imports_nobody(sqlite, text, said):
    told = bring(text, code=1)
    assert said in told
    assert "nobody was imported" in told
    with reading() as session:
        assert session.query(subscribers.Subscriber).count() == 0


def test_what_is_exported_can_be_imported_again(sqlite, cast, house):
    bring(f"email,time_zone\n{cast.alice},Europe/Berlin\n")
    assert run("export").splitlines()[1].startswith(f"{cast.alice},active,Europe/Berlin,2")
    run("export", "--out", "out.csv")
    assert "1 unchanged" in run("import", "out.csv", "--consent", CONSENT)


def test_an_export_says_who_is_suppressed_and_another_site_does_not_mail_them(sqlite, cast, house):
    bring(f"email\n{cast.alice}\n{cast.bob}\n{cast.charlie}\n")
    run("suppress", cast.alice)
    with writing() as session:
        suppressions.suppress(session, cast.bob, "complaint", NOW, "abuse")
    run("export", "--out", "out.csv")
    with writing() as session:
        session.execute(delete(suppressions.Suppression))
        session.execute(delete(Consent))
        session.execute(delete(subscribers.Subscriber))
    told = run("import", "out.csv", "--consent", CONSENT)
    assert f"{cast.alice}: suppressed in the file (suppressed: by hand)" in told
    assert f"{cast.bob}: suppressed in the file (suppressed: complaint)" in told
    assert "1 added, 2 suppressed in the file" in told


@pytest.mark.parametrize(
    "text",
    [
        "email,state,time_zone\n{},active,\n,,\n{},active,\n , ,\n",
        "email;state\r\n{};active\r\n;\r\n{};active\r\n",
        '\ufeffname;email\n"Alice, of Wonderland";{}\nBob;{}\n',
        "name\tEmail\nAlice\t{}\nBob\t{}\n",
        'email,"a note; or two; or three"\n{},\n{},\n',
    ],
)
def test_what_spreadsheets_write_is_read(sqlite, cast, house, text):
    assert "2 added" in bring(text.format(cast.alice, cast.bob))


def test_a_longer_file_is_read_in_pages(sqlite, house):
    with (house / "many.csv").open("w") as file:
        file.write("email\n")
        file.writelines(f"reader-{number}@reader.example\n" for number in range(3500))
    assert "3500 added" in run("import", "many.csv", "--consent", CONSENT)


# ---- orders, by command --------------------------------------------------------------------------------------


def audited():
    with reading() as session:
        return [
            (each.action, each.about, each.count, each.note)
            for each in session.query(AuditEntry).order_by(AuditEntry.id)
        ]


def test_every_order_is_audited_and_names_nobody_but_by_number(database, cast):
    bring(f"email\n{cast.alice}\n{cast.bob}\n")
    run("suppress", cast.alice, "--note", "asked on the phone")
    run("lift", cast.alice, "--note", "asked again")
    run("erase", cast.bob, "--yes", "--note", "by letter")
    run("export")
    assert audited() == [
        ("people.import", "file people.csv", 2, None),
        ("people.suppress", "subscriber 1", 1, "asked on the phone"),
        ("people.lift", "subscriber 1", 1, "asked again"),
        ("people.erase", "subscriber 2", 1, "by letter"),
        ("people.export", "everybody", 0, None),
    ]
    with reading() as session:
        whole = str([vars(each) for each in session.query(AuditEntry)])
        assert "command: " in whole
        assert cast.alice not in whole
        assert cast.bob not in whole


def test_a_dry_run_says_what_it_would_do_and_does_nothing(database, cast):
    bring(f"email\n{cast.alice}\n")
    run("suppress", cast.charlie)
    before = audited()
    Path("more.csv").write_text(f"email\n{cast.alice}\n{cast.bob}\n{cast.charlie}\n")
    told = run("import", "more.csv", "--consent", CONSENT, "--dry-run")
    assert "Nothing was changed. It would be: 1 added, 1 suppressed, 1 unchanged" in told
    assert f"not brought back: {cast.charlie}: suppressed" in told
    assert "1 address would be suppressed" in run("suppress", cast.bob, "--dry-run")
    assert "1 would be lifted" in run("lift", cast.charlie, cast.bob, "--dry-run")
    assert "Would be erased" in run("erase", cast.alice, "--dry-run")
    assert audited() == before
    assert "never been" in run("show", cast.bob, code=1)
    assert "Nobody is erased." in run("list", "--state", "erased")


def test_a_complaint_is_lifted_by_command_only_with_a_note(database, cast):
    bring(f"email\n{cast.charlie}\n")
    with writing() as session:
        suppressions.suppress(session, cast.charlie, "complaint", NOW)
    assert f"verdicts subscribers lift {cast.charlie} --note WHY" in run("lift", cast.charlie, code=1)
    assert "may be mailed again" in run("lift", cast.charlie, "--note", "it was a slip of the thumb")
    assert f"{cast.charlie} is not suppressed." in run("lift", cast.charlie)


def test_people_are_listed_and_shown_with_their_story(database, cast):
    bring(f"email\n{cast.alice}\n{cast.bob}\n")
    run("suppress", cast.bob)
    rows = json.loads(run("list", "--state", "suppressed", "--json"))
    assert [(row["address"], row["suppressed"]) for row in rows] == [(cast.bob, True)]
    assert [row["address"] for row in json.loads(run("list", "--before", "2", "--json"))] == [cast.alice]
    told = run("show", cast.bob)
    assert told.startswith("state: active\nsuppressed: yes\nHistory\n")
    assert "No digest comes: the address is suppressed (by hand)." in told
    assert json.loads(run("show", cast.bob, "--json"))["story"]["suppressed"]["reason"] == "by hand"


def test_nobody_is_suppressed_when_one_of_the_addresses_is_none(database, cast):
    run("suppress", cast.alice, "nobody", code=1)
    with reading() as session:
        assert suppressions.suppressed(session, [cast.alice]) == set()
