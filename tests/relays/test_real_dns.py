"""The DNS records by a real name server (NSD): what we print, it serves; and what it serves, we judge."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.resolver
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db.settings import Settings
from emails.dns.dns_checks import check
from emails.dns.questions import questions
from emails.dns.records import to_publish
from tests.bench.load import free_port
from tests.relays.unpacked import HERE, MISSING, Unpacked

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]

HEAD = "$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60\n@ NS ns.{zone}.\n"
REVERSE = "2.0.192.in-addr.arpa"
Serve = Callable[..., dict[str, tuple[bool | None, str]]]


class Nsd:
    """A name server with these zones, by name; a zone without records is broken, and answers SERVFAIL."""

    def __init__(self, zones: dict[str, str]) -> None:
        self.world, self.port = Unpacked(("nsd", "libfstrm0", "libprotobuf-c1")), free_port()
        lines = [
            f'server:\n ip-address: 127.0.0.1@{self.port}\n username: ""\n zonesdir: "{HERE}"\n database: ""',
            f' pidfile: "{HERE}/pid"\n xfrdfile: "{HERE}/xfrd"\n zonelistfile: "{HERE}/zones"\n xfrdir: "{HERE}"',
            "remote-control:\n control-enable: no",
        ]
        for zone, records in zones.items():
            lines.append(f'zone:\n name: "{zone}"\n zonefile: "{zone}.zone"')
            if records:
                (self.world.folder / f"{zone}.zone").write_text(HEAD.format(zone=zone) + records + "\n")
        (self.world.folder / "nsd.conf").write_text("\n".join(lines) + "\n")
        self.world.start(f"exec nsd -d -c {HERE}/nsd.conf")

    def resolver(self) -> dns.resolver.Resolver:
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], self.port
        return made

    def wait(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                self.resolver().resolve("verdicts.site", "SOA", lifetime=1)
            except Exception:
                assert self.world.is_up(), self.world.said()
                assert time.monotonic() < until, self.world.said()
                time.sleep(0.05)
            else:
                return


@pytest.fixture
def keys(tmp_path: Path) -> str:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    made = {"rsa": rsa.generate_private_key(65537, 4096), "ed25519": Ed25519PrivateKey.generate()}
    for name, key in made.items():
        (tmp_path / name).write_bytes(key.private_bytes(*form))
    return f"{tmp_path}/rsa,{tmp_path}/ed25519"


@pytest.fixture
def config(keys: str) -> Callable[..., Settings]:
    def of(**changes: object) -> Settings:
        given: dict[str, object] = {
            "mail_url": "smtp://127.0.0.1", "mail_from": "news@verdicts.site", "mail_ehlo": "out.verdicts.site",
            "mail_bounce_domain": "b.verdicts.site", "dkim_domain": "verdicts.site", "DKIM_SELECTOR": "w47,w47e",
            "DKIM_KEY_FILE": keys,
        }  # fmt: skip
        return Settings.model_validate(given | changes)

    return of


@pytest.fixture
def served() -> Iterator[Callable[..., dict[str, tuple[bool | None, str]]]]:
    """Serve these zones, and judge the records that the settings ask for."""
    started: list[Nsd] = []

    def judge(config: Settings, zones: dict[str, str]) -> dict[str, tuple[bool | None, str]]:
        server = Nsd({"site": "ns A 192.0.2.1", **zones})
        started.append(server)
        server.wait()
        return {each.record.name: (each.well, each.told) for each in check(config, questions(server.resolver))}

    yield judge
    for server in started:
        server.world.end()


def printed(config: Settings, *kinds: str) -> str:
    return "\n".join(each.line for each in to_publish(config) if each.what in kinds)


def test_what_is_printed_can_be_served_and_is_well(config, served) -> None:
    zone = printed(config(), "SPF", "DKIM", "DMARC") + (
        "\nb MX 10 mx.verdicts.site.\nmx A 192.0.2.5\nout A 192.0.2.9\n"
    )
    judged = served(config(), {"verdicts.site": zone, REVERSE: "9 PTR out.verdicts.site."})
    assert len(judged) == 5  # SPF and MX have the same name
    assert {well for well, _ in judged.values()} == {True}, judged


def test_what_only_a_person_knows_cannot_be_served_as_it_is_printed(config) -> None:
    world = Unpacked(("nsd", "libfstrm0", "libprotobuf-c1"))
    try:
        lines = {each.what: each.line for each in to_publish(config(mail_ehlo=None, mail_url="smtp://10.0.0.5"))}
        for what in ("MX", "PTR", "DMARC"):
            (world.folder / f"{what}.zone").write_text(HEAD.format(zone="verdicts.site") + lines[what] + "\n")
        checked = " ".join(f"nsd-checkzone verdicts.site {HERE}/{what}.zone >> {HERE}/log 2>&1;" for what in lines)
        world.start(f"set +e; {checked} touch {HERE}/done; sleep 60")
        until = time.monotonic() + 60
        while not (world.folder / "done").exists():
            assert time.monotonic() < until, world.said()
            time.sleep(0.05)
        said = world.said()
    finally:
        world.end()
    assert f"{HERE}/MX.zone:5: " in said
    assert f"{HERE}/PTR.zone:5: " in said
    assert f"{HERE}/DMARC.zone:5: " not in said


def test_a_wildcard_answers_for_all_that_is_missing(config, served) -> None:
    zone = '* TXT "v=spf1 -all"\n* MX 10 mx\nmx A 192.0.2.5'
    judged = served(config(), {"verdicts.site": zone, REVERSE: "x A 192.0.2.9"})
    assert judged["w47._domainkey.verdicts.site"][0] is False
    assert "holds no DKIM key (a wildcard record may have answered)" in judged["w47._domainkey.verdicts.site"][1]
    assert "no DMARC record holds" in judged["_dmarc.verdicts.site"][1]
    assert judged["b.verdicts.site"] == (True, "published: 10 mx.verdicts.site.")


def test_dmarc_holds_from_above_and_a_relays_include_is_followed(config, served) -> None:
    given = config(
        mail_url="smtps://u:p@smtp.provider.site", mail_from="a@news.verdicts.site", mail_bounce_domain=None,
        mail_verp=False,
    )  # fmt: skip
    zone = (
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:postmaster@verdicts.site"\n'
        'news TXT "v=spf1 include:spf.provider.site -all"'
        "\nnews MX 10 mx\nmx AAAA 2001:db8::5\n" + printed(given, "DKIM")
    )
    judged = served(given, {"verdicts.site": zone, "provider.site": 'spf TXT "v=spf1 ip4:198.51.100.0/24 -all"'})
    assert {well for well, _ in judged.values()} == {True}, judged
    assert "at _dmarc.verdicts.site" in judged["_dmarc.news.verdicts.site"][1]


def test_a_zone_that_its_server_cannot_read_is_an_answer_of_nobody(config, served) -> None:
    given = config(mail_from="news@broken.site", dkim_domain="broken.site", mail_bounce_domain="b.broken.site")
    judged = served(given, {"verdicts.site": "out A 192.0.2.9", "broken.site": ""})
    ours = {name: told for name, told in judged.items() if name.endswith("broken.site")}
    assert {well for well, _ in ours.values()} == {None}
    assert all("answer with an error (such as SERVFAIL)" in told for _, told in ours.values()), ours
