"""Real systems' exports are read with their states: nobody becomes active whom the file does not call active."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db.session import reading, writing
from db.subscribers import subscribers, subscriptions
from db.subscribers.subscribers import Subscriber
from tests.web.actions.subscribers.test_subscriber_csv import CONSENT, NOW, bring, run
from web.actions.subscribers.csv_states import StateColumns
from web.cli import main

EXPORTS = {
    "Mailchimp, one file for all": """email,First Name,MEMBER_RATING,OPTIN_TIME,UNSUB_TIME,UNSUB_REASON,TAGS
ada@active.example,Ada,2,2024-01-01 10:00:00,,,"VIP"
ben@left.example,Ben,2,2024-01-01 10:00:00,2025-03-02 08:00:00,NORMAL (N/A),""",
    "Mailchimp, cleaned": """email,First Name,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE
ben@left.example,Ben,2025-03-02 08:00:00,March""",
    "Mailchimp, contacts": """email,Email Marketing Status
ada@active.example,Subscribed
ben@left.example,Unsubscribed
cem@left.example,Non-Subscribed
dee@left.example,Cleaned
eva@left.example,Archived
fay@left.example,Pending""",
    "Substack": """email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
ada@active.example,false,,other,false,2025-01-01T08:00:00.000Z,
pia@active.example,true,2026-12-01T08:00:00.000Z,yearly,false,2025-01-01T08:00:00.000Z,2025-06-01T08:00:00.000Z
ben@left.example,false,,other,true,2025-01-01T08:00:00.000Z,""",
    "Ghost": """id,email,name,note,subscribed_to_emails,complimentary_plan,created_at,deleted_at,labels,tiers
1,ada@active.example,Ada,,true,false,2024-03-01T09:30:00.000Z,,,
2,ben@left.example,Ben,,false,false,2024-03-02T09:30:00.000Z,,,
3,cem@left.example,Cem,,true,false,2024-03-02T09:30:00.000Z,2025-03-02T09:30:00.000Z,,""",
    "Buttondown": """email,notes,type,creation_date,unsubscription_date,tags
ada@active.example,,regular,2024-01-01,,
pia@active.example,,premium,2024-01-01,,
ben@left.example,,unsubscribed,2024-01-01,2025-01-01,
cem@left.example,,unactivated,2024-01-01,,
dee@left.example,,removed,2024-01-01,,
eva@left.example,,spammy,2024-01-01,,""",
    "beehiiv": """Email,Status,Created At,UTM Source
ada@active.example,active,2024-01-01,
ben@left.example,inactive,2024-01-01,
cem@left.example,pending,2024-01-01,
dee@left.example,validating,2024-01-01,
eva@left.example,invalid,2024-01-01,
fay@left.example,needs_attention,2024-01-01,""",
    "Kit": """id,first_name,email,state,created_at
1,Ada,ada@active.example,active,2024-01-01
2,Ben,ben@left.example,cancelled,2024-01-01
3,Cem,cem@left.example,bounced,2024-01-01
4,Dee,dee@left.example,complained,2024-01-01
5,Eva,eva@left.example,inactive,2024-01-01""",
    "listmonk": """uuid,email,name,attributes,status,created_at,updated_at,subscription_status
1,ada@active.example,Ada,{},enabled,2024-01-01,2024-01-01,confirmed
2,ben@left.example,Ben,{},blocklisted,2024-01-01,2024-01-01,confirmed
3,cem@left.example,Cem,{},disabled,2024-01-01,2024-01-01,confirmed
4,dee@left.example,Dee,{},enabled,2024-01-01,2024-01-01,unconfirmed
5,eva@left.example,Eva,{},enabled,2024-01-01,2024-01-01,unsubscribed""",
    "Keila": """Email,First name,Last name,Data,Status,External ID,Double opt-in at
ada@active.example,Ada,,,active,,2024-01-01
ben@left.example,Ben,,,unsubscribed,,2024-01-01
cem@left.example,Cem,,,unreachable,,""",
    "MailerLite": """email,status,Subscribed,Opens,unsubscribed_at
ada@active.example,active,2024-01-01 10:00:00,3,
ben@left.example,unsubscribed,2024-01-01 10:00:00,3,2025-01-01 10:00:00
cem@left.example,unconfirmed,2024-01-01 10:00:00,0,
dee@left.example,junk,2024-01-01 10:00:00,0,
eva@left.example,bounced,2024-01-01 10:00:00,0,""",
    "Sendy": """Name,Email,Last activity,Status
Ada,ada@active.example,2 days ago,Subscribed
Ben,ben@left.example,2 days ago,Unconfirmed
Cem,cem@left.example,2 days ago,Unsubscribed
Dee,dee@left.example,2 days ago,Bounced
Eva,eva@left.example,2 days ago,Soft bounced
Fay,fay@left.example,2 days ago,Marked as spam""",
    "Mailtrain": """EMAIL,FIRST_NAME,STATUS
ada@active.example,Ada,subscribed
ben@left.example,Ben,unsubscribed
cem@left.example,Cem,bounced
dee@left.example,Dee,complained
eva@left.example,Eva,2""",
    "phpList": """email,Is the email of this subscriber confirmed,Is this subscriber blacklisted,Number of bounces
ada@active.example,1,0,1
ben@left.example,1,1,0
cem@left.example,0,0,0""",
    "phpList, short names": """email,confirmed,blacklisted,bouncecount,disabled
ada@active.example,1,0,1,0
ben@left.example,1,1,0,0
cem@left.example,1,0,0,1""",
    "Brevo": """CONTACT ID,EMAIL,EMAIL_BLACKLISTED,SMS_BLACKLISTED,ADDED_TIME
1,ada@active.example,No,Yes,2024-01-01
2,ben@left.example,Yes,No,2024-01-01""",
    "Campaign Monitor": """Name,Email,State,Date
Ada,ada@active.example,Active,2024-01-01
Ben,ben@left.example,Unconfirmed,2024-01-01
Cem,cem@left.example,Deleted,2024-01-01
Dee,dee@left.example,Bounced,2024-01-01""",
    "EmailOctopus": """email,First name,status
ada@active.example,Ada,SUBSCRIBED
ben@left.example,Ben,UNSUBSCRIBED
cem@left.example,Cem,PENDING""",
    "HubSpot": """Email,Marketing contact,Unsubscribed from all email,Email hard bounce reason
ada@active.example,Yes,false,
ben@left.example,Yes,true,
cem@left.example,Yes,,UNKNOWN_USER""",
    "Klaviyo": """Email,Email Marketing Consent,Email Suppressions
ada@active.example,SUBSCRIBED,
ben@left.example,NEVER_SUBSCRIBED,
cem@left.example,UNSUBSCRIBED,
dee@left.example,SUBSCRIBED,HARD_BOUNCE""",
    "Shopify": """Email,Accepts Email Marketing,Default Address Province Code
ada@active.example,yes,BY
ben@left.example,no,BY""",
    "Salesforce": """Email,Mailing State/Province,HasOptedOutOfEmail
ada@active.example,Bavaria,0
ben@left.example,Bavaria,1""",
}  # fmt: skip
"""Headers and words as the systems write them; the column of addresses is called email, and the people are invented."""


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_of_an_export_only_those_whom_it_calls_active_are_added(sqlite, house, export):
    told = bring(export)
    with reading() as session:
        added = set(session.scalars(select(Subscriber.address)))
    named = {cell for row in csv.reader(export.splitlines()) for cell in row if "@" in cell}
    assert added == {address for address in named if address.endswith("@active.example")}
    for address in named - added:
        assert f"not brought back: {address}: " in told


@pytest.mark.parametrize(
    ("header", "cell", "said"),
    [
        ("status", "VIP", "of unknown state"),
        ("status", "1", "of unknown state"),
        ("State", "California", "of unknown state"),
        ("statut", "désabonné", "of unknown state"),
        ("STATUS", " Marked_As-Spam ", "complained"),
        ("list status", "", "without a state"),
        ("Subscribed", "FALSE", "not subscribed"),
        ("is_active", "0", "not subscribed"),
        ("email-verified", "no", "not subscribed"),
        ("Opt-in", "0000-00-00 00:00:00", "not subscribed"),
        ("newsletter_subscribed", "", "without a state"),
        ("Unsubscribe date", "3/2/25", "unsubscribed"),
        ("Do Not Email", "1", "unsubscribed"),
        ("blocklisted", "true", "suppressed"),
        ("hard_bounced_at", "2025-01-01", "bounced"),
        ("Removed", "x", "deleted"),
        ("unsubscription_date", "2025-01-01", "unsubscribed"),
        ("Unsubscribe status", "active", "unsubscribed"),
        ("Suppression Status", "enabled", "suppressed"),
        ("Bounce type", "Hard", "bounced"),
        ("deactivated", "1764331200", "unsubscribed"),
        ("Not subscribed", "yes", "not subscribed"),
        ("Newsletter status", "ja", "of unknown state"),
        ("subscribed", "FALSCH", "not subscribed"),
        ("Abonniert", "nein", "not subscribed"),
        ("Inscrit", "0", "not subscribed"),
        ("Abgemeldet am", "01.02.2024", "unsubscribed"),
        ("Kündigungsdatum", "2024-02-01", "unsubscribed"),
        ("Désabonné", "oui", "unsubscribed"),
        ("Date de désinscription", "2024-02-01", "unsubscribed"),
        ("Fecha de baja", "2024-02-01", "unsubscribed"),
        ("État", "désinscrit", "of unknown state"),
        ("Status (email)", "unsubscribed", "unsubscribed"),
        ("status_code", "3", "of unknown state"),
        ("newsletter", "0", "not subscribed"),
        ("Marketing emails", "No", "not subscribed"),
    ],
)
def test_what_is_not_known_as_active_holds_somebody_back(header, cell, said):
    found = StateColumns(["email", header], "people.csv").of(["ada@reader.example", cell])
    assert found is not None
    assert found.meaning == said


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("status", "Active"),
        ("Subscription-Status", "OPTED_IN"),
        ("subscribed", "2024-01-01T08:00:00Z"),
        ("unsubscribed", "0"),
        ("unsubscribed", "FAUX"),
        ("Abgemeldet", "nein"),
        ("Désabonné", "non"),
        ("Aktiv", "ja"),
        ("newsletter", "1"),
        ("newsletter", "Weekly tools"),
        ("status date", "2024-02-01"),
        ("Inscrit le", "2024-02-01"),
        ("Opt-out status", "subscribed"),
        ("activated", "1764331200"),
        ("deactivated", "0"),
        ("bounce type", "none"),
        ("unsubscribed_at", "0000-00-00 00:00:00"),
        ("unsubscribe", "https://old.example/u/4f3a"),
        ("Unsubscribe link", "https://old.example/u/4f3a"),
        ("Billing State", "California"),
        ("sms status", "unsubscribed"),
        ("type", "customer"),
        ("bounce count", "2"),
        ("expiry", "2024-01-01"),
        ("confirmed_at", ""),
    ],
)
def test_what_says_nothing_of_a_subscription_holds_nobody_back(header, cell):
    assert StateColumns(["email", header], "people.csv").of(["ada@reader.example", cell]) is None


def test_of_several_columns_the_most_cautious_one_wins_even_under_one_name():
    columns = StateColumns(["email", "Status", "status", "unsubscribed", "bounced"], "people.csv")
    assert columns.of(["a@reader.example", "active", "active", "", "no"]) is None
    assert columns.of(["a@reader.example", "active", "complained", "1", "no"]) == ("complained", "status: complained")
    assert columns.of(["a@reader.example", "", "active"]) is None
    assert columns.of(["a@reader.example"]) == ("without a state", "")


@pytest.mark.parametrize("name", ["unsubscribed_members_export_1a2b.csv", "cleaned_email_audience_export_1a2b.csv",
                                  "nonsubscribed_segment_export.csv", "Suppression list.csv"])  # fmt: skip
def test_a_file_of_those_who_left_is_known_by_its_name(sqlite, cast, name):
    Path(name).write_text(f"email,MEMBER_RATING\n{cast.alice},2\n")
    assert f"not brought back: {cast.alice}: " in run("import", name, "--consent", CONSENT)
    with reading() as session:
        assert session.scalars(select(Subscriber)).all() == []


def test_a_person_named_twice_is_held_back_by_the_more_cautious_row_however_far_apart(database, cast):
    many = "".join(f"reader-{number}@reader.example,active\n" for number in range(2500))
    told = bring(f"email,status\n{cast.alice},active\n{many}{cast.alice.upper()},unsubscribed\n")
    assert f"not brought back: {cast.alice}: unsubscribed in the file (status: unsubscribed)" in told
    with reading() as session:
        assert subscribers.by_address(session, cast.alice) is None


def test_whoever_is_active_here_stays_so_and_is_listed_when_the_file_says_that_they_left(database, cast):
    bring(f"email\n{cast.alice}\n")
    told = bring(f"email,status\n{cast.alice},unsubscribed\n")
    line = f"{cast.alice}: unsubscribed in the file, still subscribed here (status: unsubscribed)"
    assert f"left as it is: {line}" in told
    found = json.loads(run("import", "people.csv", "--consent", CONSENT, "--json"))
    assert found["still_subscribed"] == [line]
    assert found["not_brought_back"] == []
    with reading() as session:
        assert subscribers.by_address(session, cast.alice).state == "active"


def test_our_own_export_brought_back_changes_nobody(database, cast):
    bring(f"email\n{cast.alice}\n{cast.bob}\n{cast.charlie}\n")
    form = {"words": "Yes", "words_version": "1", "locale": "en", "form_url": "/", "ip": None, "user_agent": None}
    with writing() as session:
        subscriptions.leave(session, subscribers.by_address(session, cast.bob).id, "link", NOW)
        subscriptions.request(session, cast.dana, **form, now=NOW)
    run("export", "--out", "out.csv")
    before = run("list")
    told = run("import", "out.csv", "--consent", CONSENT)
    assert "1 pending, 2 unchanged, 1 unsubscribed" in told
    assert run("list") == before


def test_our_own_export_in_an_empty_house_makes_only_the_active_ones_active(database, cast):
    told = bring(f"email,state,time_zone,confirmed_at\n{cast.alice},active,,2026-01-01T00:00:00+00:00\n"
                 f"{cast.bob},unsubscribed,,2026-01-01T00:00:00+00:00\n{cast.charlie},pending,,\n")  # fmt: skip
    assert "1 added, 1 unconfirmed in the file, 1 unsubscribed in the file" in told


def test_a_long_list_is_counted_shown_in_part_and_written_whole_into_a_file(sqlite, house):
    people = "".join(f"reader-{number}@reader.example,bounced\n" for number in range(1200))
    told = bring(f"email,status\n{people}")
    assert told.count("not brought back: ") == 100
    assert "… and 1100 more; --list FILE writes them all into a file." in told
    assert "1200 bounced in the file" in told
    run("import", "people.csv", "--consent", CONSENT, "--list", "held.csv", "--dry-run")
    with (house / "held.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["email", "outcome", "because"]
    assert rows[1200] == ["reader-1199@reader.example", "bounced in the file", "status: bounced"]
    said = json.loads(
        CliRunner().invoke(main, ["subscribers", "import", "people.csv", "--consent", CONSENT, "--json"]).stdout
    )
    assert len(said["not_brought_back"]) == 1200
    assert said["outcomes"] == {"bounced in the file": 1200}


def test_the_list_never_overwrites_the_file_that_is_imported(sqlite, house):
    bring("email\nada@reader.example\n")
    assert "Name another file" in run("import", "people.csv", "--consent", CONSENT, "--list", "./people.csv", code=1)
    assert "cannot be written" in run("import", "people.csv", "--consent", CONSENT, "--list", "no/held.csv", code=1)
    assert Path("people.csv").read_text() == "email\nada@reader.example\n"
