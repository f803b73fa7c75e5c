"""Each kind of letter has a rule, a function that composes it, and a sample that the letters' own tests read."""

import emails.letters
from db import rules
from tests.emails.samples import samples
from worker.letters.composing import LETTERS


def test_each_letter_with_a_rule_can_be_composed_and_no_other():
    assert LETTERS.keys() == rules.LETTERS.keys()


def test_each_letter_is_a_function_of_its_name():
    assert [name for name in LETTERS if not callable(getattr(emails.letters, name, None))] == []


def test_each_letter_has_a_sample_and_says_its_own_kind():
    assert {letter.kind for _, letter in samples()} == LETTERS.keys()
