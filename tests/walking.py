"""The site's URLs, from Flask's URL map, with values filled in for their variable parts."""

from collections.abc import Mapping, Sequence

from flask import Flask


def addresses(app: Flask, parts: Mapping[str, Sequence[str]], under: str = "/", method: str = "GET") -> list[str]:
    """Every route below `under` that takes this method, once for each value of its parts ("1" and "x" by default)."""
    found = []
    for rule in app.url_map.iter_rules():
        if method not in (rule.methods or set()) or not str(rule).startswith(under):
            continue
        made = [str(rule)]
        for argument in rule.arguments:
            made = [
                one.replace(piece, value)
                for one in made
                for piece in [next(p for p in _pieces(one) if p.strip("<>").split(":")[-1] == argument)]
                for value in parts.get(argument, ("1", "x"))
            ]
        found += made
    return found


def _pieces(rule: str) -> list[str]:
    return ["<" + piece.split(">")[0] + ">" for piece in rule.split("<")[1:]]
