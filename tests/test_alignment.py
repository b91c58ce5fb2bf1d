from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_metrics import naive_alignment, naive_cheapest

from lmmix.errors import SettingError
from lmmix.metrics.alignment import align, aligned, printed

# Few different costs, so that many ways cost the same.
costs = st.sampled_from([0.0, 1.0, 2.0, 3.0, 0.5])


@st.composite
def tables(draw):
    n, m = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    substitution = [[draw(costs) for _ in range(m)] for _ in range(n)]
    return substitution, [draw(costs) for _ in range(n)], [draw(costs) for _ in range(m)]


@given(tables())
def test_alignment_is_that_of_the_whole_table(given):
    substitution, deletion, insertion = given
    pairs = align(np.reshape(substitution, (len(deletion), len(insertion))), np.array(deletion), np.array(insertion))
    assert pairs.dtype == np.int64
    assert [tuple(pair) for pair in pairs.tolist()] == naive_cheapest(*given)[1]


@given(tables())
def test_every_item_stands_once_and_in_order(given):
    substitution, deletion, insertion = given
    pairs = align(np.reshape(substitution, (len(deletion), len(insertion))), deletion, insertion)
    for side, size in ((0, len(deletion)), (1, len(insertion))):
        assert pairs[pairs[:, side] >= 0, side].tolist() == list(range(size))
    assert not np.any((pairs < 0).all(axis=1))


def test_costs_may_be_whole_numbers_read_only_and_transposed():
    substitution = np.array([[0, 4], [4, 4], [4, 0]]).T
    substitution.flags.writeable = False
    assert align(substitution, np.full(2, 3), np.full(3, 3)).tolist() == [[0, 0], [-1, 1], [1, 2]]


def test_forbidden_substitutions_cost_infinity():
    assert align(np.full((1, 1), np.inf), np.ones(1), np.ones(1)).tolist() == [[0, -1], [-1, 0]]


@pytest.mark.parametrize("shape", [(2, 3), (6,), (3, 2, 1)])
def test_costs_of_other_shapes_are_refused(shape):
    with pytest.raises(SettingError, match=r"must be \(n, m\), \(n,\), \(m,\)"):
        align(np.zeros(shape), np.zeros(3), np.zeros(2))


@given(*[st.lists(st.sampled_from("abc"), max_size=8)] * 2)
def test_words_are_aligned_with_the_costs_of_sclite(reference, hypothesis):
    assert aligned(reference, hypothesis) == naive_alignment(reference, hypothesis)
    assert aligned("".join(reference), "".join(hypothesis)) == aligned(reference, hypothesis)


@given(*[st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=8)] * 2)
def test_printed_lines_hold_both_texts_and_a_letter_for_each_error(reference, hypothesis):
    pairs = aligned(reference, hypothesis)
    ref, hyp, marks = printed(pairs).split("\n")[:3]
    assert [word for word in ref.split()[1:] if "*" not in word] == reference
    assert [word for word in hyp.split()[1:] if "*" not in word] == hypothesis
    assert len(marks.split()) - 1 == sum(left != right for left, right in pairs)


def test_alignment_is_printed_as_sclite_prints_it():
    pairs = aligned("the cat sat on".split(), "the catty on off".split())
    assert printed(pairs) == "REF:  the cat sat   on ***\nHYP:  the *** catty on off\nEval:     D   S        I\n"


def test_empty_alignment_is_three_empty_lines():
    assert printed(aligned([], [])) == "REF:\nHYP:\nEval:\n"
