"""What previews and search engines are told is whole, and cannot break out of its place."""

import json
import re

from db.digests import catalog
from db.session import writing


def data(page):
    return json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)[1])


def test_a_comparison_describes_itself(client, catalogue):
    client.post("/tools/inkwell/vote", data={"choice": "ship"})
    page = client.get("/compare/quillmate-vs-inkwell").text
    told = data(page)
    assert told["headline"] == "Quillmate vs Inkwell"
    assert [tool["name"] for tool in told["about"]] == ["Quillmate", "Inkwell"]
    assert "aggregateRating" not in told["about"][0]
    assert told["about"][1]["aggregateRating"]["ratingValue"] == 100
    assert '<link rel="canonical" href="http://localhost:8000/compare/quillmate-vs-inkwell">' in page
    assert '<meta property="og:title" content="Quillmate vs Inkwell">' in page
    assert '<html lang="en">' in page


def test_a_name_cannot_end_the_script(client, catalogue):
    fields = dict.fromkeys(("category", "tagline", "entry", "summary"), "</script><script>alert(1)</script>")
    with writing() as session:
        catalog.put_tool(session, "bad", fields | {"name": "</script><b>", "url": "https://x.example"}, [])
    page = client.get("/tools/bad").text
    assert data(page)["name"] == "</script><b>"
    assert page.count("<script") == 2  # the data and the one script file


def test_each_page_has_its_head(client, catalogue):
    for path in ("/", "/archive", "/tools/inkwell"):
        page = client.get(path).text
        assert page.count("<h1") == 1
        assert page.count('rel="canonical"') == 1
        assert 'name="description"' in page
