"""The console's first page."""

from flask import render_template

from web.operator.access import allowed, rooms


@rooms.get("")
@allowed("viewer")
def overview() -> str:
    return render_template("operator/overview.html")
