"""Pages of a list: each starts behind the last row of the one before it, and says what lies beside it."""

from web.operator.frame.paging import Paging, paged

ROWS = list(range(9, 0, -1))


def page(at: int | None) -> tuple[list[int], Paging]:
    rows = [row for row in ROWS if at is None or row < at][:5]  # a limit of one more than fits
    return paged(rows, 4, at, lambda row: row, lambda at: f"/list?before={at}" if at else "/list")


def test_the_first_page_leads_to_older_ones_alone():
    assert page(None) == ([9, 8, 7, 6], Paging(None, "/list?before=6"))


def test_a_page_between_leads_both_ways():
    assert page(6) == ([5, 4, 3, 2], Paging("/list", "/list?before=2"))


def test_the_last_page_leads_to_the_newest_alone():
    assert page(2) == ([1], Paging("/list", None))


def test_a_last_page_that_is_just_full_promises_no_more():
    assert page(5) == ([4, 3, 2, 1], Paging("/list", None))
