"""The site's templates: Jinja's, without two things that it does for each value or page, a quarter of their cost."""

from collections.abc import MutableMapping
from typing import Any

from flask.templating import Environment
from jinja2.compiler import CodeGenerator
from markupsafe import Markup, _escape_inner  # type: ignore[attr-defined]


def escaped(value: Any) -> str:
    """As `markupsafe.escape`, but a plain text becomes no Markup object: what is put out is only joined."""
    if type(value) is str:
        return str(_escape_inner(value))
    if type(value) is Markup:
        return value
    html = getattr(value, "__html__", None)
    return str(html() if html is not None else _escape_inner(str(value)))


class _Compiler(CodeGenerator):
    def _output_child_pre(self, node: Any, frame: Any, finalize: Any) -> None:
        """Write what begins an output, such as `escape(`."""
        if frame.eval_ctx.autoescape and not frame.eval_ctx.volatile and finalize.src is None:
            self.write("environment.escaped(")
        else:
            super()._output_child_pre(node, frame, finalize)


class Templates(Environment):
    """The templates of the site's pages."""

    code_generator_class = _Compiler
    escaped = staticmethod(escaped)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """No template has globals of its own, so all share the environment's. Jinja would chain two mappings, and look
        each name up in both whenever one template imports from another."""
        return super().make_globals(d) if d else self.globals
