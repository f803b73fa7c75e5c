"""A site on this machine in a real browser: by its other name, and with a form that another server's page sends."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_first_votes import PAGE, voters


@pytest.mark.parametrize("script", [True, False])
def test_who_opens_the_site_by_this_machines_other_name_may_vote(chromium, site, catalogue, script):
    context = chromium.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(site.replace("127.0.0.1", "localhost") + PAGE)
    page.locator("form.vote").first.get_by_role("button", name="Ship").click()
    expect(page.locator("form.vote [aria-pressed=true]")).to_have_count(1)
    assert len(voters()) == 1
    context.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_server_on_this_machine_may_not(chromium, site, catalogue, name):
    context = chromium.new_context()
    page = context.new_page()
    form = f"<form method=post action='{site}/tools/quillmate/vote'><input name=choice value=ship><button>Go</button>"
    page.route("**/trap", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto(f"http://{name}:9/trap")
    with page.expect_response("**/vote") as answered:
        page.get_by_role("button").click()
    assert answered.value.status == 403
    assert voters() == []
    context.close()
