"""Static files are kept by browsers for ever under their own print alone, and pages with them stay light."""

import gzip
import re

import pytest

from web.readers import static_files

_LOADED = r'<(?:link rel="(?:stylesheet|icon|preload)" href|(?:script|img|iframe|source) src)="([^"]+)"'
PACKED = {"Accept-Encoding": "gzip"}


def test_only_a_files_own_print_makes_it_immutable(client):
    url = static_files.url("verdicts.css")
    assert client.get(url).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    path, _, print_ = url.partition("?v=")
    others = f"?v={print_}&v=wrong", f"?v=wrong&v={print_}", f"?x={print_}", f"?v={print_[:-1]}"
    for query in ("?v=wrong", "", "?v=", *others):
        answer = client.get(path + query)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, no-cache", query


@pytest.mark.parametrize("name", ["verdicts.css", "verdicts.js", "operator.css", "operator.js", "mark.svg"])
def test_text_is_sent_compressed_and_told_to_vary(client, name):
    plain, packed = client.get(f"/static/{name}"), client.get(f"/static/{name}", headers=PACKED)
    assert gzip.decompress(packed.data) == plain.data == (static_files.FOLDER / name).read_bytes()
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/static/{name}", headers=PACKED | {"If-None-Match": f"W/{packed.headers['ETag']}"})
    assert (again.status_code, again.data) == (304, b"")


def test_a_picture_is_sent_as_it_is(client):
    answer = client.get("/static/preview.png", headers=PACKED)
    assert answer.mimetype == "image/png"
    assert "Content-Encoding" not in answer.headers
    assert answer.data == (static_files.FOLDER / "preview.png").read_bytes()


def test_what_is_no_file_of_ours_is_not_found(client):
    for path in ("", "nothing.css", "../app.py", "%2e%2e/app.py", "/verdicts.css"):
        assert client.get(f"/static/{path}").status_code == 404, path
    assert client.post("/static/verdicts.css").status_code == 405


def test_a_comparison_with_its_styles_and_script_is_sent_in_60_kb(client, catalogue):
    page = client.get("/compare/quillmate-vs-inkwell", headers=PACKED)
    html = gzip.decompress(page.data).decode()
    loaded = re.findall(r'(?:<link rel="stylesheet" href|<script src)="([^"]+)"', html)
    assert len(loaded) == 2
    sent = len(page.data) + sum(len(client.get(each, headers=PACKED).data) for each in loaded)
    assert sent <= 60 * 1024
    assert sent <= 14 * 1024, f"{sent} bytes: for a page this small it was 11 KB"


def test_pages_load_nothing_from_elsewhere(client, catalogue):
    for path in ("/", "/archive", "/compare/quillmate-vs-inkwell", "/tools/inkwell", "/subscribe", "/operator/login"):
        found = re.findall(_LOADED, client.get(path).text)
        assert found
        assert all(each.startswith("/static/") for each in found), path
