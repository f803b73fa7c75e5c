"""`/webhooks/…`: who may tell of bounces, in which form, and that nothing is half-done."""

import base64
import gzip
import json

import pytest
from sqlalchemy import text

from db.session import reading, writing
from tests import played_sns, returned
from tests.outside_requests import make_all
from tests.played_sns import PlayedSns, bounced, confirmation, notification
from tests.returned import state_of, suppressed
from tests.transports import digest
from worker.feedback import sns_messages

SECRET = "0123456789abcdef0123"
ALICE, BOB = "reader-1@reader.example", "reader-2@reader.example"
HARD = {"kind": "hard", "recipient": ALICE, "diagnostic": "550 5.1.1 no such user"}


@pytest.fixture(autouse=True)
def known(clock, setting, database):
    setting(WEBHOOK_SECRET=SECRET, SES_TOPICS=played_sns.TOPIC)
    digest(clock, 2)
    with writing() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent'"))


@pytest.fixture
def post(client):
    def send(provider: str, told: object, content_type: str = "application/json", **more):
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        more.setdefault("query_string", {"secret": SECRET})
        return client.post(f"/webhooks/{provider}", data=body, content_type=content_type, **more)

    return send


@pytest.fixture
def sns(monkeypatch) -> PlayedSns:
    made = PlayedSns()
    monkeypatch.setattr(sns_messages.http_client, "request", made.request)
    monkeypatch.setattr(sns_messages, "_certificates", {})
    return made


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"any:{password}".encode()).decode()}


def jobs() -> list[tuple[str, str]]:
    with reading() as session:
        return [tuple(row) for row in session.execute(text("SELECT kind, state FROM jobs WHERE id > 1 ORDER BY id"))]


# ---- who may post ----------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("provider", ["ses", "postmark", "generic"])
def test_nobody_without_the_secret_is_heard(post, setting, provider):
    asked = post(provider, HARD, query_string={})
    assert asked.status_code == 401
    assert asked.headers["WWW-Authenticate"].startswith("Basic ")
    assert post(provider, HARD, query_string={"secret": "x"}).status_code == 403
    assert post(provider, HARD, query_string={"secret": "é" * 20}).status_code == 403
    assert post(provider, HARD, query_string={}, headers=basic("wrong")).status_code == 403
    assert post(provider, HARD, headers=basic("")).status_code == 403, "a login counts before the URL"
    assert post(provider, HARD, query_string={}, headers={"Authorization": "Basic é"}).status_code == 401
    setting(WEBHOOK_SECRET="")
    assert post(provider, HARD).status_code == 403
    assert post(provider, HARD, query_string={"secret": ""}).status_code == 403
    assert returned.kept() == []


@pytest.mark.once
def test_the_secret_is_taken_from_the_url_or_a_login(post):
    assert post("generic", HARD | {"id": "1"}).json == {"stored": True}
    assert post("generic", HARD | {"id": "2"}, query_string={}, headers=basic(SECRET)).json == {"stored": True}
    assert len(returned.kept()) == 2


@pytest.mark.once
def test_a_secret_with_a_plus_sign_may_be_written_as_it_is_and_with_percent_signs(post, setting):
    setting(WEBHOOK_SECRET="0123456789abcdef/+==")
    told = [HARD | {"id": str(number)} for number in range(5)]
    for url in ("secret=0123456789abcdef/+==", "secret=0123456789abcdef%2F%2B%3D%3D"):
        assert post("generic", told.pop(), query_string=url).json == {"stored": True}
    for password in ("0123456789abcdef/+==", "0123456789abcdef%2F%2B%3D%3D"):
        assert post("generic", told.pop(), query_string={}, headers=basic(password)).json == {"stored": True}
    assert post("generic", HARD, query_string="secret=0123456789ABCDEF/%2B==").status_code == 403


@pytest.mark.once
def test_no_log_and_no_answer_names_the_secret(post, capsys, monkeypatch):
    monkeypatch.setattr("web.feedback.forms.fields", lambda raw: 1 / 0)
    answers = [post("generic", HARD), post("generic", HARD, headers=basic(SECRET)), post("ses", b"{")]
    assert [each.status_code for each in answers] == [500, 500, 400]
    written = capsys.readouterr()
    assert "a page failed" in written.out
    assert SECRET not in written.out + written.err + "".join(each.text + str(each.headers) for each in answers)


# ---- what may be posted ----------------------------------------------------------------------------------------


@pytest.mark.once
def test_what_cannot_be_read_is_refused_and_nothing_is_stored(post):
    refused = {
        400: [
            b"",
            b"{",
            b"[" * 200_000,
            b"[]",
            b'{"kind": "hard"}',
            b"\xff",
            b'{"a": "\\ud800"}',
            {"kind": "nonsense", "recipient": ALICE},
        ],
        413: [b'{"a": "' + b"x" * 1024 * 1024 + b'"}'],
    }
    for status, bodies in refused.items():
        for body in bodies:
            for provider in ("ses", "postmark", "generic"):
                assert post(provider, body).status_code == status, (provider, body[:40])
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html", ""):
        for provider in ("ses", "postmark", "generic"):
            assert post(provider, HARD, content_type).status_code == 415
    assert post("postmark", HARD, "text/plain").status_code == 415
    assert (
        post("generic", gzip.compress(json.dumps(HARD).encode()), headers={"Content-Encoding": "gzip"}).status_code
        == 415
    )
    assert post("sendgrid", HARD).status_code == 404
    assert returned.kept() == []
    assert jobs() == []


@pytest.mark.once
def test_a_large_message_comes_through_the_front(client):
    assert client.application.config["UPLOADS"]["/webhooks/ses"] >= 256 * 1024


# ---- Postmark and the generic form -----------------------------------------------------------------------------


def test_a_bounce_that_postmark_tells_twice_suppresses_once(post):
    told = {"RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "Details": "smtp;550 5.1.1 gone", "Email": ALICE}
    assert post("postmark", told).json == {"stored": True}
    assert post("postmark", told | {"Tag": "told again"}).json == {"stored": False}
    assert post("postmark", told | {"RecordType": "SpamComplaint"}).json == {"stored": True}, "another row of Postmark"
    returned.work()
    assert suppressed() == {ALICE: "complaint"}
    assert state_of(BOB) == "active"


def test_somebody_who_leaves_at_the_relay_leaves_here(post):
    told = {
        "RecordType": "SubscriptionChange", "Recipient": ALICE, "SuppressSending": True, "Origin": "Recipient",
        "SuppressionReason": "ManualSuppression", "ChangedAt": "2026-11-17T08:00:00Z",
    }  # fmt: skip
    post("postmark", told)
    returned.work()
    assert state_of(ALICE) == "unsubscribed"


# ---- Amazon SES ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_bounce_that_ses_tells_is_verified_and_then_handled(post, sns, clock, version):
    told = notification(bounced(ALICE), clock.now, version)
    assert post("ses", told, "text/plain; charset=UTF-8").json == {"stored": True}
    assert post("ses", told, "text/plain").json == {"stored": False}
    returned.work()
    assert suppressed() == {}, "not before it is verified"
    make_all()
    returned.work()
    assert suppressed() == {ALICE: "hard bounce"}
    assert sns.asked == [played_sns.CERTIFICATE]


@pytest.mark.once
def test_the_certificate_is_fetched_once_a_day(post, sns, clock):
    for number in range(3):
        post("ses", notification(bounced(ALICE), clock.now, MessageId=f"id-{number}"))
    make_all()
    assert sns.asked == [played_sns.CERTIFICATE]


@pytest.mark.once
def test_what_was_changed_on_the_way_is_deleted(post, sns, clock):
    genuine = notification(bounced(ALICE), clock.now)
    forged = [
        genuine | {"Message": json.dumps(bounced(BOB))},
        genuine | {"Subject": "added"},
        genuine | {"MessageId": "another"},
        genuine | {"Signature": "AAAA"},
        genuine | {"Signature": "no base64!"},
        genuine | {"SignatureVersion": "2"},
        genuine | {"SignatureVersion": "3"},
    ]
    for each in forged:
        assert post("ses", each).json == {"stored": True}
    make_all()
    returned.work()
    assert returned.kept() == []
    assert {state for _, state in jobs()} == {"discarded"}
    assert suppressed() == {}
    assert post("ses", genuine).json == {"stored": True}, "a forged one does not take its place"


@pytest.mark.once
def test_a_message_that_is_told_again_in_another_spelling_is_handled_once(post, sns, clock):
    genuine = notification(bounced(ALICE), clock.now)
    padded = genuine | {"Signature": genuine["Signature"] + "===="}
    elsewhere = genuine | {"SigningCertURL": played_sns.CERTIFICATE.replace("eu-west-1", "eu-west-2")}
    assert post("ses", padded).json == post("ses", genuine).json == {"stored": True}, "before either is verified"
    for each in (genuine, elsewhere):
        post("ses", each)
    make_all()
    returned.work()
    assert len(returned.kept()) == 1
    assert suppressed() == {ALICE: "hard bounce"}
    for each in (genuine, elsewhere, genuine | {"Signature": "AAAA"}, genuine | {"UnsubscribeURL": "https://x"}):
        assert post("ses", each).json == {"stored": False}
    assert [kind for kind, _ in jobs()].count("FeedbackReceived") == 1


@pytest.mark.once
def test_a_certificate_whose_time_is_over_proves_nothing(post, sns, clock):
    clock.forward(days=30)
    post("ses", notification(bounced(ALICE), clock.now))
    make_all()
    assert returned.kept() == []


@pytest.mark.once
@pytest.mark.parametrize(
    "url",
    [
        played_sns.CERTIFICATE.replace("https", "http"),
        played_sns.CERTIFICATE.replace(".com/", ".com.evil.example/"),
        played_sns.CERTIFICATE.replace("https://", "https://sns.eu-west-1.amazonaws.com@evil.example/"),
        played_sns.CERTIFICATE.replace("https://", "https://evil.example#"),
        played_sns.CERTIFICATE.replace("https://", "https://evil.example\\@"),
        played_sns.CERTIFICATE.replace(".com/", ".com:8443/"),
        played_sns.CERTIFICATE.replace("sns.", "s3."),
        played_sns.CERTIFICATE.replace("sns.", "sns.x."),
        played_sns.CERTIFICATE.replace("eu-west-1", "127.0.0.1"),
        played_sns.CERTIFICATE.replace("eu-west-1.", ""),
        played_sns.CERTIFICATE.replace("/Simple", "/x/../Simple"),
        played_sns.CERTIFICATE + "\n",
        played_sns.CERTIFICATE + "?x=.pem",
        f"https://{played_sns.HOST}/?Action=GetEndpointAttributes&x=.pem",
        f"https://{played_sns.HOST}/",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_certificate_comes_from_sns_and_from_nowhere_else(post, sns, clock, url):
    refused = post("ses", notification(bounced(ALICE), clock.now, SigningCertURL=url))
    assert refused.status_code == 400
    make_all()
    assert (sns.asked, returned.kept()) == ([], [])


@pytest.mark.once
def test_a_topic_that_is_not_listed_and_an_old_message_are_refused(post, clock):
    stranger = notification(bounced(ALICE), clock.now, TopicArn=played_sns.TOPIC.replace("123", "321"))
    assert post("ses", stranger).status_code == 403
    old = notification(bounced(ALICE), clock.now)
    clock.forward(days=30)
    assert post("ses", old).status_code == 400, "it may have been told before, and be forgotten"
    assert post("ses", old | {"Timestamp": "yesterday"}).status_code == 400
    for missing in ("Signature", "MessageId", "SigningCertURL", "Timestamp", "Message", "Type"):
        assert post("ses", {name: value for name, value in old.items() if name != missing}).status_code == 400
        assert post("ses", old | {missing: 7}).status_code == 400
    assert post("ses", bounced(ALICE)).status_code == 400, "raw message delivery is not signed"
    assert returned.kept() == []


@pytest.mark.once
def test_a_subscription_is_confirmed_once_it_is_verified(post, sns, clock):
    asked = confirmation(clock.now)
    post("ses", asked, "text/plain")
    make_all()
    assert sns.asked == [played_sns.CERTIFICATE, asked["SubscribeURL"]]
    assert returned.kept()[0].handled_at is not None
    post("ses", asked | {"Token": "2336412f37", "Message": "changed", "MessageId": "2"})
    make_all()
    assert len(sns.asked) == 2, "one that is forged is not confirmed"


@pytest.mark.once
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&TopicArn={topic}&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}x&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=other",
        "https://sns.eu-west-1.amazonaws.com/x?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&Action=ConfirmSubscription&TopicArn={topic}"
        "&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=&Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37&Version=x",
    ],
)
def test_no_other_url_is_asked_to_confirm_a_subscription(post, sns, clock, url):
    asked = confirmation(clock.now, SubscribeURL=url.format(topic=played_sns.TOPIC))
    assert post("ses", asked).status_code == 400
    make_all()
    assert sns.asked == []


@pytest.mark.once
@pytest.mark.parametrize("topic", ["x", "arn:aws:sns", "", ":::"])
def test_a_subscription_to_what_is_no_topic_is_refused(post, clock, topic):
    asked = confirmation(clock.now, TopicArn=topic)
    url = asked["SubscribeURL"].replace(played_sns.TOPIC, topic)
    assert post("ses", asked | {"SubscribeURL": url}).status_code == 400


@pytest.mark.once
def test_a_certificate_that_cannot_be_fetched_is_fetched_later(post, sns, clock):
    sns.status = 503
    post("ses", notification(bounced(ALICE), clock.now))
    make_all()
    assert jobs() == [("CheckSnsMessage", "pending")]
    sns.status = 200
    clock.forward(minutes=5)
    make_all()
    returned.work()
    assert suppressed() == {ALICE: "hard bounce"}
