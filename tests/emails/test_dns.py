"""The DNS records of a site: what to publish, and what a name server says of them."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db.settings import Settings
from emails.dns import dmarc
from emails.dns import questions as dns_questions
from emails.dns.dns_checks import Unanswered, check, warnings
from emails.dns.questions import questions
from emails.dns.records import to_publish
from emails.messages.dkim_keys import load
from tests.emails.played_dns import PlayedDns

Set = Callable[..., Settings]
SPF = ("b.verdicts.site", "TXT")
DMARC = ("_dmarc.verdicts.site", "TXT")
DKIM = ("w47._domainkey.verdicts.site", "TXT")
MX = ("b.verdicts.site", "MX")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    return tmp_path / "key.pem"


@pytest.fixture
def config(key: Path) -> Set:
    def of(**changes: object) -> Settings:
        given: dict[str, object] = {
            "mail_url": "smtp://relay.provider.site", "mail_from": "news@verdicts.site", "dkim_domain": "verdicts.site",
            "mail_bounce_domain": "b.verdicts.site", "DKIM_SELECTOR": "w47", "DKIM_KEY_FILE": str(key),
        }  # fmt: skip
        return Settings.model_validate(given | changes)

    return of


@pytest.fixture
def dns(key: Path) -> Iterator[PlayedDns]:
    """The DNS of a site that has published everything."""
    record = load("w47", key).record
    with PlayedDns() as played:
        played.records = {
            SPF: ['"v=spf1 a:relay.provider.site ~all"', '"a site verification"'],
            DKIM: [f'"{record[:20]}" "{record[20:]}"'],
            DMARC: ['"v=DMARC1; p=none; rua=mailto:postmaster@verdicts.site"'],
            MX: ["10 mx.verdicts.site."],
            ("mx.verdicts.site", "A"): ["192.0.2.5"],
            ("relay.provider.site", "A"): ["192.0.2.6"],
        }
        yield played


def found(config: Settings, dns: PlayedDns) -> dict[str, tuple[bool | None, str]]:
    return {each.record.what: (each.well, each.told) for each in check(config, questions(dns.resolver))}


# ---- what to publish ---------------------------------------------------------------------------------------------


def test_the_records_are_printed_as_a_zone_file_has_them(config: Set) -> None:
    records = {each.what: each.line for each in to_publish(config())}
    assert list(records) == ["SPF", "DKIM", "DMARC", "MX"]  # the relay has a PTR record of its own
    assert records["SPF"] == (
        'b.verdicts.site. TXT "v=spf1 include:<the name that relay.provider.site tells its customers to include> ~all"'
    )
    assert records["DKIM"].startswith('w47._domainkey.verdicts.site. TXT "v=DKIM1; k=ed25519; p=')
    assert records["MX"] == "b.verdicts.site. MX 10 <the host that receives mail for b.verdicts.site>"
    assert not {"pct", "rf", "ri"} & set(dmarc.tags(records["DMARC"]))
    assert records["DMARC"] == ('_dmarc.verdicts.site. TXT "v=DMARC1; p=none; rua=mailto:postmaster@verdicts.site"')


@pytest.mark.parametrize(
    ("server", "senders"),
    [
        ("smtps://u:p@email-smtp.eu-west-1.amazonaws.com", "include:amazonses.com"),
        ("smtp+starttls://u:p@smtp.office365.com", "include:spf.protection.outlook.com"),
        ("smtp://198.51.100.7", "ip4:198.51.100.7"),
        ("smtp://[2001:db9::7]", "ip6:2001:db9::7"),
        ("smtp://127.0.0.1", "a:out.verdicts.site"),
        ("smtp://gate", "a:out.verdicts.site"),
        ("smtps://u:p@contoso.mail.protection.outlook.com", "include:spf.protection.outlook.com"),
        ("smtps://u:p@smtp.eu.mailgun.org", "include:mailgun.org"),
        ("smtp://mail.verdicts.site", "a:mail.verdicts.site"),
        ("smtp://verdicts.site", "a:verdicts.site"),
        ("smtp://relay.site", "include:<the name that relay.site tells its customers to include>"),
    ],
)
def test_the_spf_record_names_whoever_sends(config: Set, server: str, senders: str) -> None:
    spf = to_publish(config(mail_url=server, mail_ehlo="out.verdicts.site"))[0]
    assert spf.value == f"v=spf1 {senders} ~all"


def test_a_relay_with_one_sender_needs_its_spf_at_the_domain_of_from(config: Set) -> None:
    records = {each.what: each.name for each in to_publish(config(mail_verp=False))}
    assert records["SPF"] == records["MX"] == "verdicts.site"


def test_a_site_without_a_public_domain_has_nothing_to_publish() -> None:
    assert to_publish(Settings(mail_from="digest@localhost.localdomain")) == ()


# ---- what the name servers say -----------------------------------------------------------------------------------


def test_a_site_that_has_published_everything_is_well(config: Set, dns: PlayedDns) -> None:
    judged = found(config(), dns)
    assert {what: well for what, (well, _) in judged.items()} == dict.fromkeys(["SPF", "DKIM", "DMARC", "MX"], True)


def test_a_site_that_has_published_nothing_hears_of_each_record(config: Set) -> None:
    with PlayedDns() as empty:
        judged = found(config(), empty)
    assert {what: well for what, (well, _) in judged.items()} == {"SPF": None, "DKIM": False, "DMARC": None, "MX": None}


@pytest.mark.parametrize(
    ("where", "held", "well", "said"),
    [
        (SPF, ['"v=spf1 -all"', '"v=spf1 mx -all"'], None, "2 SPF records, so none of them counts"),
        (SPF, ['"v=spf1 +all"'], None, "lets everybody send"),
        (SPF, ['"v=spf1 mx"'], None, "does not end in ~all or -all"),
        (SPF, ['"v=spf1 mx ?all"'], None, "does not end in ~all or -all"),
        (SPF, ['"v=spf1 mx include:<the name> ~all"'], None, "it includes '<the', which is no domain"),
        (SPF, ['"v=spf1 redirect=_spf.verdicts.site"'], None, "_spf.verdicts.site publishes no SPF record"),
        (SPF, ['"v=spf1 include:b.verdicts.site -all"'], None, "its includes do not end"),
        (SPF, ['"v=spf1' + " include:b.verdicts.site" * 9 + ' -all"'], None, "its includes do not end"),
        (SPF, ['"v=spf1 a:mx.verdicts.site/24/64 -all"'], None, "a:mx.verdicts.site/24/64 names no network"),
        (SPF, ['"v=spf1 ip4:300.1.1.1 -all"'], None, "ip4:300.1.1.1 names no network"),
        (SPF, ['"v=spf1 a:a.site a:b.site a:c.site -all"'], None, "names a.site, b.site, c.site, which do not exist"),
        (SPF, ['"v=spf1' + " a:mx.verdicts.site" * 11 + ' -all"'], None, "takes 11 look-ups"),
        (SPF, ['"v=spf1 -all"'], None, "lets nobody send"),
        (SPF, ['"v=SPF1 exists:%{i}._spf.verdicts.site -all"'], True, "published"),
        (DKIM, ['"v=DKIM1; k=ed25519; p=AAAA"'], False, "publishes another key"),
        (DKIM, ['"v=DKIM1; k=ed25519; p="'], False, "is revoked"),
        (DKIM, ['"v=spf1 -all"'], False, "holds no DKIM key (a wildcard record may have answered)"),
        (DKIM, ['"v=DKIM1; k=ed25519; p=AAAA"', '"v=spf1 -all"'], False, "holds 2 records"),
        (DMARC, ['"v=DMARC1; p=none; pct=50; ri=3600"'], None, "pct, ri are no tags of DMARC any more"),
        (DMARC, ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], None, "holds 2 DMARC records, so none of them counts"),
        (DMARC, ['"v=dmarc1; p=none"'], None, "no DMARC record holds"),
        (DMARC, ['"v=DMARC1; rua=mailto:a@b.site"'], None, "has no policy"),
        (DMARC, ['"v=DMARC1; p=reject; aspf=s"'], None, "the bounce domain, is not aligned with verdicts.site"),
        (MX, ["0 ."], None, "it takes no mail (null MX)"),
        (MX, ["10 mx.invalid."], None, "but mx.invalid has no address"),
    ],
)  # fmt: skip
def test_a_record_that_does_not_do_is_told(
    config: Set, dns: PlayedDns, where: tuple[str, str], held: list[str], well: bool | None, said: str
) -> None:
    dns.records[where] = held
    what = {SPF: "SPF", DKIM: "DKIM", DMARC: "DMARC", MX: "MX"}[where]
    judged = found(config(), dns)[what]
    assert judged[0] is well
    assert said in judged[1]


def test_strict_signatures_of_a_domain_above_are_told(config: Set, dns: PlayedDns) -> None:
    dns.records["_dmarc.news.verdicts.site", "TXT"] = ['"v=DMARC1; p=reject; adkim=s"']
    told = found(config(mail_from="a@news.verdicts.site", mail_bounce_domain="news.verdicts.site"), dns)["DMARC"][1]
    assert "adkim=s asks for signatures of news.verdicts.site, but DKIM_DOMAIN is verdicts.site" in told


def test_a_server_of_ours_has_a_name_that_leads_there_and_back(config: Set, dns: PlayedDns) -> None:
    ours = config(mail_url="smtp://127.0.0.1", mail_ehlo="out.verdicts.site")
    assert found(ours, dns)["PTR"][1].endswith("set MAIL_EHLO to a name that has")
    dns.records["out.verdicts.site", "A"] = ["192.0.2.9"]
    assert "has no PTR record" in found(ours, dns)["PTR"][1]
    dns.records["9.2.0.192.in-addr.arpa", "PTR"] = ["host9.provider.site."]
    assert "192.0.2.9 is called host9.provider.site, which does not lead back" in found(ours, dns)["PTR"][1]
    dns.records["host9.provider.site", "A"] = ["192.0.2.9"]
    assert found(ours, dns)["PTR"][0] is True


def test_name_servers_that_say_nothing_cost_a_few_seconds_and_no_error(
    config: Set, dns: PlayedDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_questions, "_ONE", 0.2)
    monkeypatch.setattr(dns_questions, "SECONDS", 0.5)
    dns.silent = True
    began = time.monotonic()
    judged = found(config(), dns)
    assert time.monotonic() - began < 20
    assert {well for well, _ in judged.values()} == {None}
    assert all("no name server answers" in told or "have not answered for" in told for _, told in judged.values())


def test_a_machine_without_name_servers_says_so(config: Set) -> None:
    def none() -> None:
        raise Unanswered("this machine names no name server")

    told = [each.told for each in check(config(), questions(none))]  # type: ignore[arg-type]
    assert set(told) == {"this machine names no name server"}


def test_others_words_stay_printable_and_short(config: Set, dns: PlayedDns) -> None:
    dns.records[DMARC] = [r'"v=DMARC1; p=\027[31m\195\169"' + ' "x"' * 20 + f' "{"y" * 250}"' * 4]
    told = found(config(), dns)["DMARC"][1]
    assert told.isprintable()
    assert len(told) <= 600


@pytest.mark.parametrize(
    ("spf", "well", "said"),
    [
        ("v=spf1 include:amazonses.com ~all", True, "published"),
        ("v=spf1 include:_spf.verdicts.site ~all", True, "published"),
        ("v=spf1 ip4:192.0.2.6 ~all", None, "does not include your relay (include:amazonses.com)"),
    ],
)
def test_a_known_relay_has_to_be_included_perhaps_by_an_include(
    config: Set, dns: PlayedDns, spf: str, well: bool | None, said: str
) -> None:
    dns.records[SPF] = [f'"{spf}"']
    dns.records["_spf.verdicts.site", "TXT"] = ['"v=spf1 include:amazonses.com -all"']
    ours = config(mail_url="smtps://u:p@email-smtp.eu-west-1.amazonaws.com")
    assert found(ours, dns)["SPF"][0] is well
    assert said in found(ours, dns)["SPF"][1]


@pytest.mark.parametrize(
    ("spf", "well"),
    [
        ("v=spf1 a:out.verdicts.site -all", True),
        ("v=spf1 ip4:192.0.2.0/28 -all", True),
        ("v=spf1 a:mx.verdicts.site/24 -all", True),
        ("v=spf1 a:out.verdicts.site//64 -all", True),
        ("v=spf1 a:out.verdicts.site/28//64 -all", True),
        ("v=spf1 ip4:198.51.100.1 mx/24 ?exp=e.site include:_spf.verdicts.site -all", None),
        ("v=spf1 ip4:198.51.100.1 exp=e.site include:_spf.verdicts.site -all", True),
        ("v=spf1 redirect=_spf.verdicts.site", True),
        ("v=spf1 -a:out.verdicts.site mx -all", None),
        ("v=spf1 ip6:2001:db8::/32 -all", None),
    ],
)
def test_a_server_of_ours_has_to_be_let(config: Set, dns: PlayedDns, spf: str, well: bool | None) -> None:
    dns.records |= {
        SPF: [f'"{spf}"'],
        ("out.verdicts.site", "A"): ["192.0.2.9"],
        ("_spf.verdicts.site", "TXT"): ['"v=spf1 ip4:192.0.2.9 ~all"'],
    }
    judged = found(config(mail_url="smtp://127.0.0.1", mail_ehlo="out.verdicts.site"), dns)["SPF"]
    assert judged[0] is well
    assert well or "does not let 192.0.2.9 send" in judged[1] or "is no word of SPF" in judged[1]


def test_a_key_may_be_published_without_what_says_that_it_is_rsa(config: Set, dns: PlayedDns, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "rsa").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    bare = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    ours = config(DKIM_KEY_FILE=str(tmp_path / "rsa"))
    text = f"v=DKIM1; p={base64.b64encode(bare).decode()}"
    dns.records[DKIM] = [f'"{text[:200]}" "{text[200:]}; h=sha1:sha256"']
    assert found(ours, dns)["DKIM"][0] is True
    dns.records[DKIM] = [f'"{text[:200]}" "{text[200:]}; h=sha1"']
    assert "does not allow this key to sign mail with sha256" in found(ours, dns)["DKIM"][1]


@pytest.mark.parametrize("own", ["5f3a9c", "site_web_1.site_default", "web1.localdomain", "web1.lan.internal"])
def test_a_machine_whose_public_name_nobody_knows_is_asked_for_it(
    config: Set, dns: PlayedDns, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    monkeypatch.setattr("emails.transports.smtp_connection._own_name", lambda: own)
    ours = config(mail_url="smtp://gate")
    lines = {each.what: each.line for each in to_publish(ours)}
    assert "a:<the public name of your mail server> ~all" in lines["SPF"]
    assert lines["PTR"].endswith(" PTR <the public name of your mail server>.")
    assert found(ours, dns)["PTR"] == (
        None, "set MAIL_EHLO to the public name of your mail server, so that its address can be looked up",
    )  # fmt: skip


def test_a_mailbox_at_a_provider_makes_the_providers_server_not_ours(config: Set) -> None:
    given = config(
        mail_url="smtps://news:p@smtp.gmail.com", mail_from="news@gmail.com", mail_bounce_domain=None, dkim_domain=None,
        DKIM_SELECTOR="", DKIM_KEY_FILE="",
    )  # fmt: skip
    records = {each.what: each.value for each in to_publish(given)}
    assert records["SPF"] == "v=spf1 include:_spf.google.com ~all"
    assert "PTR" not in records


def test_a_server_that_greets_by_its_address_has_a_record_in_reverse(config: Set) -> None:
    lines = {each.what: each.line for each in to_publish(config(mail_url="smtp://gate", mail_ehlo="[192.0.2.9]"))}
    assert 'TXT "v=spf1 ip4:192.0.2.9 ~all"' in lines["SPF"]
    assert lines["PTR"] == "9.2.0.192.in-addr.arpa. PTR <the public name of your mail server>."


def test_a_failing_name_server_is_told_apart_from_a_silent_one(config: Set, dns: PlayedDns) -> None:
    dns.fails = True
    assert all("answer with an error (such as SERVFAIL)" in told for _, told in found(config(), dns).values())


# ---- the tree walk -----------------------------------------------------------------------------------------------

TREE = {
    "_dmarc.site": "v=DMARC1; p=none; psd=y",
    "_dmarc.verdicts.site": "v=DMARC1; p=reject",
    "_dmarc.own.verdicts.site": "v=DMARC1; p=none; psd=n",
    "_dmarc.low.verdicts.site": "v=DMARC1; p=none",
}


def asked(names: list[str]) -> Callable[[str, str], tuple[str, ...]]:
    def ask(name: str, kind: str) -> tuple[str, ...]:
        assert kind == "TXT"
        names.append(name)
        return (TREE[name],) if name in TREE else ()

    return ask


@pytest.mark.parametrize(
    ("domain", "organization"),
    [
        ("verdicts.site", "verdicts.site"),
        ("b.verdicts.site", "verdicts.site"),
        ("a.low.verdicts.site", "verdicts.site"),
        ("a.own.verdicts.site", "own.verdicts.site"),
        ("other.site", "other.site"),
        ("deep.other.site", "other.site"),
        ("nothing.elsewhere", "nothing.elsewhere"),
    ],
)
def test_the_organization_is_found_by_walking_up(domain: str, organization: str) -> None:
    assert dmarc.organizational(domain, asked([])) == organization


def test_a_long_name_is_walked_in_eight_questions() -> None:
    names: list[str] = []
    dmarc.organizational("a.b.c.d.e.f.g.h.i.j.mail.site", asked(names))
    assert names[:2] == ["_dmarc.a.b.c.d.e.f.g.h.i.j.mail.site", "_dmarc.f.g.h.i.j.mail.site"]
    assert len(names) == 8


# ---- what the settings alone tell --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mail_bounce_domain": "bounces.provider.site"}, "is not aligned with verdicts.site"),
        ({"mail_bounce_domain": "b.verdicts.other"}, "is not aligned with verdicts.site"),
        ({"dkim_domain": None, "DKIM_SELECTOR": "", "DKIM_KEY_FILE": ""}, "Letters leave unsigned"),
        ({"mail_verp": False}, "MAIL_BOUNCE_DOMAIN counts for nothing"),
        ({"mail_ehlo": "gate"}, "MAIL_EHLO is gate, without a dot"),
        (
            {"dkim_signed": "from,to,list-unsubscribe"},
            "leaves out list-unsubscribe-post: mailboxes then show no button",
        ),
        ({"inbox_url": None}, "do not offer to unsubscribe by mail"),
    ],
)
def test_what_the_settings_alone_tell(config: Set, changes: dict[str, object], said: str) -> None:
    whole = {"inbox_url": "maildir:var/inbox"}
    assert list(warnings(config(**whole))) == []
    assert list(warnings(config(**whole, mail_ehlo="[IPv6:2001:db8::7]"))) == []
    [told] = warnings(config(**whole | changes))
    assert said in told
