from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_text import naive_word_errors

from lmmix.metrics import ErrorCount, errors_of_lists, word_errors

LAW = settings(deadline=None, derandomize=True)
texts = st.lists(st.sampled_from(["a", "b", "ab", "中文"]), max_size=8).map(" ".join)


@LAW
@given(texts, texts)
def test_word_errors_equal_the_table_of_wagner_and_fischer(reference, hypothesis):
    assert word_errors(reference, hypothesis) == naive_word_errors(reference, hypothesis)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("", "", 0), ("a b", "", 2), ("", "a", 1), ("a b c", "a x c", 1), ("a b c", "b c d", 2), (" a\tb ", "a b", 0)],
)
def test_word_errors_of_known_pairs(reference, hypothesis, errors):
    assert word_errors(reference, hypothesis) == errors


def test_counts_add_up_to_the_rate_of_the_whole():
    total = ErrorCount(1, 4) + ErrorCount(2, 0) + ErrorCount(0, 8)
    assert total == ErrorCount(3, 12) and total.rate == 0.25


def test_rate_without_reference_words_is_not_a_number():
    assert math.isnan(ErrorCount(1, 0).rate)


def test_errors_of_lists_are_counted_list_by_list():
    errors = errors_of_lists(["a b", "c"], [["a b", "a", ""], ["c d"]])
    assert [one.tolist() for one in errors] == [[0, 1, 2], [1]]
    assert all(one.dtype == np.int64 for one in errors)
