"""Access control of the console. Views without a mark are denied to everybody (default deny)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from flask_login import current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response as AnyResponse

from db.operators.audit import Actor
from db.operators.operators import ROLES
from db.settings import settings
from web import headers, visitor

blueprint = Blueprint("operator", __name__, url_prefix="/operator")
csrf = CSRFProtect()

STRANGER = "stranger"
"""The mark of a page that needs no sign-in."""
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Present:
    """The current operator for Flask-Login. `epoch` is the one in which their session began."""

    id: int
    address: str
    role: str
    epoch: int
    has_second_factor: bool
    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    def get_id(self) -> str:
        return f"{self.id}.{self.epoch}"


def allowed(minimum: str, *, before_second_factor: bool = False) -> Callable[[View], View]:
    """Mark a view with the lowest role that may open it; every view of the console needs a mark.

    `before_second_factor`: open also to an operator who has yet to set up the second factor that is demanded.
    """
    if minimum not in (STRANGER, *ROLES):
        raise ValueError(f"{minimum!r} is no role")

    def mark(view: View) -> View:
        view.minimum, view.before_second_factor = minimum, before_second_factor  # type: ignore[attr-defined]
        return view

    return mark


def current() -> Present:
    """The current operator; only for views that need a sign-in."""
    present: Present = current_user._get_current_object()
    return present


def actor() -> Actor:
    """The current operator for the audit log, with their IP address."""
    return Actor(current().address, visitor.address())


@blueprint.app_template_global()
def me() -> Present | None:
    """The current operator, or None when not signed in."""
    return current() if current_user.is_authenticated else None


@blueprint.app_template_global()
def may(role: str) -> bool:
    """Whether the current operator has this role or a higher one."""
    present = me()
    return present is not None and ROLES.index(present.role) >= ROLES.index(role)


def minimum_of(endpoint: str) -> str | None:
    """The mark of a view, or None when it has none or does not exist."""
    return getattr(current_app.view_functions.get(endpoint), "minimum", None)


@blueprint.before_request
def guard() -> AnyResponse | None:
    """Deny by default: unmarked views to everybody, others below their role; forms need a CSRF token."""
    if any("\0" in value for value in _given()):
        abort(400, "Something in it holds a character that no text has. Write it anew and press again.")
    minimum = minimum_of(request.endpoint or "")
    if minimum is None:
        abort(403, "This page has no keeper yet, so it stays closed.")
    if minimum != STRANGER:
        if not current_user.is_authenticated:
            return _to_login()
        if not may(minimum):
            abort(403, f"This needs the role {minimum}; yours is {current().role}. An admin can change it.")
        view = current_app.view_functions[str(request.endpoint)]
        if lacks_second_factor() and not getattr(view, "before_second_factor", False):
            return _to_second_factor()
    if not _only_asks():
        visitor.refuse_strangers(private_page=True)  # our pages send no referrer, so their forms send `Origin: null`
        csrf.protect()
    return None


def _given() -> Iterator[str]:
    """All texts in the request; a database refuses NUL characters."""
    yield request.path
    for fields in (request.args, request.form):
        for name, values in fields.lists():
            yield name
            yield from values


def _to_login() -> AnyResponse:
    if not _only_asks():
        abort(401, "You are signed out, so nothing was done. Sign in and press again.")
    asked = request.full_path.removesuffix("?")
    return redirect(url_for("operator.login", next=None if asked == "/operator" else asked), 303)


def lacks_second_factor() -> bool:
    """Whether the current operator must still set up a required second factor."""
    return settings().operator_two_factor == "required" and not current().has_second_factor


def _to_second_factor() -> AnyResponse:
    if not _only_asks():
        abort(403, "A second factor is demanded here, so nothing was done. Set yours up first.")
    return redirect(url_for("operator.second_factor"), 303)


def _only_asks() -> bool:
    return request.method in ("GET", "HEAD", "OPTIONS")


@blueprint.after_request
def private(response: Response) -> Response:
    return headers.private(response)
