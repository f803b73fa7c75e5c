"""Which requests are meant for this site, and which forms were sent from its own pages."""

import pytest

from web.app import create_app

VOTE = "/tools/quillmate/vote"


@pytest.fixture
def site(setting, client, catalogue):
    """`site("https://verdicts.example")`: a browser in front of a site with this BASE_URL."""

    def at(base_url: str):
        setting(BASE_URL=base_url)
        return create_app().test_client()

    return at


# ---- names ---------------------------------------------------------------------------------------------------

KNOWN = [
    ("https://verdicts.example", "verdicts.example"),
    ("https://verdicts.example", "Verdicts.EXAMPLE:443"),
    ("https://verdicts.example", "verdicts.example."),
    ("https://verdicts.example", "verdicts.example:8000"),
    ("https://verdicts.example:8443", "verdicts.example"),
    ("https://verdicts.example", "localhost:8000"),
    ("https://verdicts.example", "LOCALHOST"),
    ("https://verdicts.example", "site.localhost:8000"),
    ("https://verdicts.example", "127.0.0.1:8000"),
    ("https://verdicts.example", "[::1]:8000"),
    ("https://verdicts.example", "[::ffff:127.0.0.1]"),
    ("https://bücher.example", "xn--bcher-kva.example"),
    ("http://[2001:db8::1]:8000", "[2001:DB8:0:0:0:0:0:1]:8000"),
    ("http://10.0.0.5:8000", "10.0.0.5:8000"),
]
UNKNOWN = [
    "evil.example", "verdicts.example.evil.example", "www.verdicts.example", "evilverdicts.example", "10.0.0.5",
    "localhost.evil.example", "notlocalhost", "verdicts.example@evil.example", "evil.example/verdicts.example",
    "verdicts.example,evil.example", "verdicts.example evil.example", "[::1", "[", "]", ":", ":8000", "..", ".", "@",
    "verdicts.example:port", "verdicts.example:99999", "verdicts.example:-1", "verdicts.example#", "\xff",
    "verdicts.examplé", "verdicts.example\0", "0177.0.0.1", "2130706433", "x" * 70_000, "[::1]x",
    "verdicts.example..", "%6cocalhost",
]  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize(("base_url", "host"), KNOWN)
def test_the_site_answers_to_its_own_name_and_to_this_machines(site, base_url, host):
    assert site(base_url).get("/", headers={"Host": host}).status_code == 200


@pytest.mark.once
def test_whoever_asks_for_another_name_is_told_this_ones(site):
    browser = site("https://verdicts.example")
    for host in UNKNOWN:
        for path in ("/", "/operator", "/compare/quillmate-vs-inkwell", "/static/verdicts.css", "/nothing", "/outbox"):
            answer = browser.get(path, headers={"Host": host})
            assert answer.status_code == 421, (host, path)
            assert "https://verdicts.example" in answer.text
            assert "proxy_set_header Host" in answer.text
            assert answer.headers["Cache-Control"] == "no-store"
    told = browser.post(VOTE, data={"choice": "ship"}, headers={"Host": "evil.example", "Accept": "application/json"})
    assert told.status_code == 421
    assert "evil.example" in told.json["advice"]


@pytest.mark.once
def test_a_load_balancer_may_ask_by_address_whether_the_site_lives(site):
    browser = site("https://verdicts.example")
    assert browser.get("/healthz", headers={"Host": "10.0.0.5:8000"}).status_code == 200
    assert browser.get("/readyz", headers={"Host": "10.0.0.5:8000"}).status_code in (200, 503)
    assert browser.get("/metrics", headers={"Host": "10.0.0.5:8000"}).status_code != 421


@pytest.mark.once
@pytest.mark.parametrize(("protocol", "status"), [("HTTP/1.0", 200), ("HTTP/1", 200), ("HTTP/1.1", 400)])
def test_only_a_request_of_old_needs_no_host(site, protocol, status):
    browser = site("https://verdicts.example")
    with_host = browser.application.wsgi_app

    def without_host(environ, start):
        del environ["HTTP_HOST"]
        return with_host(environ | {"SERVER_PROTOCOL": protocol}, start)

    browser.application.wsgi_app = without_host
    assert browser.get("/").status_code == status


@pytest.mark.once
def test_what_a_stranger_says_of_forwarded_names_is_not_read(site):
    told = {"X-Forwarded-Host": "verdicts.example", "Forwarded": "host=verdicts.example", "Host": "evil.example"}
    assert site("https://verdicts.example").get("/", headers=told).status_code == 421
    told = {"X-Forwarded-Host": "evil.example", "X-Original-Host": "evil.example", "Host": "verdicts.example"}
    assert "evil" not in site("https://verdicts.example").get("/", headers=told).text


# ---- origins -------------------------------------------------------------------------------------------------

OWN = [
    ("https://verdicts.example", "verdicts.example", "https://verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "https://verdicts.example:443"),
    ("https://verdicts.example", "127.0.0.1:8000", "HTTPS://Verdicts.Example"),
    ("https://verdicts.example:443", "verdicts.example", "https://verdicts.example"),
    ("https://verdicts.example:8443", "verdicts.example", "https://verdicts.example:8443"),
    ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("http://localhost:8000", "localhost:8000", "http://localhost:8000"),
    ("http://localhost:8000", "127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("http://localhost:8000", "[::1]:8000", "http://[::1]:8000"),
    ("http://localhost:8000", "localhost:9000", "http://localhost:9000"),
    ("http://localhost:8000", "localhost", "http://localhost"),
    ("http://127.0.0.1:8000", "localhost:8000", "http://localhost:8000"),
]
FOREIGN = [
    ("https://verdicts.example", "verdicts.example", "http://verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "https://verdicts.example:8443"),
    ("https://verdicts.example", "verdicts.example", "https://www.verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "https://verdicts.example.evil.example"),
    ("https://verdicts.example", "verdicts.example", "https://verdicts.example/"),
    ("https://verdicts.example", "verdicts.example", "https://user@verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "//verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "ftp://verdicts.example"),
    ("https://verdicts.example", "verdicts.example", "https://"),
    ("https://verdicts.example", "verdicts.example", "https://["),
    ("https://verdicts.example", "verdicts.example", ""),
    ("https://verdicts.example", "verdicts.example", "https://verdicts.example, https://evil.example"),
    ("https://verdicts.example", "localhost:8000", "http://localhost:8000"),
    ("http://localhost:8000", "localhost:8000", "http://localhost:3000"),
    ("http://localhost:8000", "localhost:8000", "http://127.0.0.1:3000"),
    ("http://localhost:8000", "localhost:8000", "https://localhost:8000"),
    ("http://localhost:8000", "localhost:8000", "http://evil.example:8000"),
    ("http://localhost:8000", "localhost:8000", "null"),
]


@pytest.mark.once
@pytest.mark.parametrize(("base_url", "host", "origin"), OWN)
def test_a_page_of_the_sites_own_origin_may_send_forms(site, base_url, host, origin):
    browser = site(base_url)
    for more in ({}, {"Sec-Fetch-Site": "same-origin"}):
        told = {"Host": host, "Origin": origin} | more
        assert browser.post(VOTE, data={"choice": "ship"}, headers=told).status_code == 303, more


@pytest.mark.once
@pytest.mark.parametrize(("base_url", "host", "origin"), FOREIGN)
def test_a_page_that_differs_in_scheme_host_or_port_may_not(site, base_url, host, origin):
    told = {"Host": host, "Origin": origin}
    assert site(base_url).post(VOTE, data={"choice": "ship"}, headers=told).status_code == 403


@pytest.mark.once
@pytest.mark.parametrize("told", ["same-site", "cross-site", "Same-Origin", "", "same-origin, same-site", "x\xff"])
def test_what_the_browser_does_not_call_the_same_origin_is_not(site, told):
    browser = site("https://verdicts.example")
    headers = {"Host": "verdicts.example", "Origin": "https://verdicts.example", "Sec-Fetch-Site": told}
    assert browser.post(VOTE, data={"choice": "ship"}, headers=headers).status_code == 403
    assert browser.post("/operator/login", data={}, headers=headers).status_code == 403
    assert browser.post("/vote/x", headers=headers).status_code == 403
