"""The pages of the site as its own map names them, with whatever the parts of their addresses can be."""

from collections.abc import Mapping, Sequence

from flask import Flask


def addresses(app: Flask, parts: Mapping[str, Sequence[str]], under: str = "/") -> list[str]:
    """Every GET route below `under`, once for each value of its parts; ("1", "x") for a part that is not given."""
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or set()) or not str(rule).startswith(under):
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
