"""The two figures that the drill of hosts reads in the mail server's book."""

from tests.hosts.book import longest_silence, rate, taken_twice


def test_a_silence_counts_from_the_fault_to_the_first_letter_and_from_the_last_letter_to_the_end():
    assert longest_silence([1, 10, 11, 12], since=2, until=13) == 8
    assert longest_silence([1, 2, 3], since=2.5, until=20) == 17
    assert longest_silence([], since=5, until=65) == 60


def test_letters_before_the_fault_and_after_the_end_break_no_silence():
    assert longest_silence([1, 2, 90], since=3, until=63) == 60


def test_nothing_that_waits_any_more_is_no_silence():
    assert longest_silence([1, 2], since=30, until=4) == 0


def test_the_rate_leaves_out_a_slow_start_and_a_slow_end():
    steady = [100 + each / 50 for each in range(80)]
    assert round(rate([*range(10, 20), *steady, *range(200, 210)])) == 50


def test_a_book_with_hardly_a_letter_has_no_rate():
    assert rate([]) == rate([1.0]) == 0


def test_a_digest_that_came_twice_is_doubled_whatever_its_name_and_a_second_confirm_letter_is_not():
    alice, bob = "alice@reader.example", "bob@reader.example"
    assert taken_twice([(alice, "<digest.1.5@v>"), (alice, "<digest.2.5@v>"), (bob, "<digest.3.5@v>")]) == [alice]
    assert not taken_twice([(alice, "<digest.1.5@v>"), (alice, "<confirm.2.5@v>"), (alice, "<confirm.4.5@v>")])
    assert taken_twice([(bob, "<confirm.2.5@v>"), (bob, "<confirm.2.5@v>")])
