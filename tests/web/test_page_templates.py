"""What a template puts out is escaped as Jinja escapes it."""

import pytest
from markupsafe import Markup, escape

pytestmark = pytest.mark.once


class Marked:
    def __html__(self):
        return "<i>as it is</i>"


@pytest.mark.parametrize("value", ["<&>'\"", "plain", "", Markup("<b>"), Marked(), 7, None, 1.5, ["<"], "é\x00"])
def test_a_value_is_escaped_as_ever(client, value):
    environment = client.application.jinja_env
    for text in (
        "{{ value }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(value) }}",
        "{% set x %}{{ value }}{% endset %}{{ x }}",
    ):
        compiled = environment.from_string("{% autoescape true %}" + text + "{% endautoescape %}")
        assert compiled.render(value=value) == str(escape(value)), text
        assert environment.from_string(text).render(value=value) == str(escape(value)), text


def test_a_value_that_is_missing_is_nothing(client):
    assert client.application.jinja_env.from_string("<{{ nobody }}>").render() == "<>"


def test_a_global_that_came_later_is_seen_by_templates_that_import(client, monkeypatch):
    environment = client.application.jinja_env
    page = environment.from_string("{% from 'parts/scores.html' import mark %}{{ later }}{{ mark('ship') }}")
    monkeypatch.setitem(environment.globals, "later", "here")
    assert page.render().startswith("here<span")
