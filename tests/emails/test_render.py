"""Templates: nothing is filled in by accident, and nothing is left out in silence."""

import jinja2
import pytest

from emails import render
from emails.letters import confirm
from tests.emails.people import ALICE, SITE


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render.text("confirm", site=SITE)


def test_mjml_templates_escape_and_text_templates_do_not() -> None:
    site = type(SITE)("Tools & <more>", SITE.base_url, "")
    letter = confirm(site)
    assert "Tools &amp; &lt;more&gt;" in letter.html
    assert "Tools & <more>" in letter.text


def test_every_letter_has_both_templates() -> None:
    stems = {path.stem for path in render.TEMPLATES.glob("*.txt")}
    assert stems == {"digest", "confirm", "welcome", "alert"}
    assert stems <= {path.stem for path in render.TEMPLATES.glob("*.mjml")}


def test_the_renderer_is_named_with_its_version_and_templates() -> None:
    assert render.renderer().startswith("mjml-python 1.4.2, templates ")


def test_a_mark_without_a_value_is_named() -> None:
    letter = confirm(SITE)
    with pytest.raises(KeyError, match="CONFIRM"):
        letter.filled({})
    assert "{~" not in letter.filled(ALICE).html


def test_a_process_ends_a_letter_with_the_templates_that_it_began_with(tmp_path, monkeypatch) -> None:
    """A pull while it sends would otherwise give it another release's text."""
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    render._environment.cache_clear()
    try:
        (tmp_path / "letter.txt").write_text("before")
        assert render.text("letter") == "before\n"
        (tmp_path / "letter.txt").write_text("after a pull")
        assert render.text("letter") == "before\n"
    finally:
        render._environment.cache_clear()
