"""What a browser accepts, and what it has already, is read as RFC 9110 says."""

import pytest

from web.readers.negotiation import coding, has


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, "identity"), ("", "identity"), ("gzip", "gzip"), ("GZIP;Q=0.5", "gzip"), ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"), ("br", "identity"), ("*", "gzip"), ("gzip;q=0", "identity"),
        ("gzip;q=0, *", "identity"), ("*;q=0", "identity"), ("identity;q=0", "identity"),
        ("identity;q=0, gzip", "gzip"), ("identity;q=0, *", "gzip"), ("identity, gzip;q=0.5", "identity"),
        ("gzip;q=0.001", "gzip"), ("gzip;q=nonsense", "identity"), (";;,=,q", "identity"), ("gzip ; q=1.0", "gzip"),
    ],
)  # fmt: skip
def test_the_best_coding_that_is_accepted(accept, answer):
    assert coding(accept) == answer


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (None, False), ("", False), ('"a.g"', True), ('W/"a.g"', True), ('"x","a.g"', True), ('"x" , W/"a.g"', True),
        ("*", True), (" * ", True), ("a.g", False), ('"a.gg"', False), ('"b.g"', False), ('"\xff", "a.g"', True),
        ('"*"', False),
    ],
)  # fmt: skip
def test_a_list_of_etags_is_compared_weakly(given, answer):
    assert has(given, '"a.g"') is answer
