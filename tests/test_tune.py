from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_nbest import (
    naive_least_loss_of_the_plane,
    naive_loss,
    naive_probes,
    naive_winners,
)
from tuning_problems import errors_of, limits_from, make_problem, random_problem

from lmmix.nbest.tuning import _kernels as kernels
from lmmix.nbest.tuning.line_search import descend, line_search, loss_surface
from lmmix.nbest.tuning.starts import starts

LAW = settings(deadline=None, derandomize=True, max_examples=40)
FEWER = settings(LAW, max_examples=10)
small = st.integers(-3, 3)
# Few different numbers: many equal slopes, equal hypotheses and crossings of more than two lines in one point.
lists_of_lines = st.lists(
    st.lists(st.tuples(small, small, st.integers(0, 3)), min_size=1, max_size=6), min_size=1, max_size=4
)
metrics = st.sampled_from(["errors", "precisions"])
seeds = st.integers(0, 10**6)


def lines_problem(lists):
    """Lists of (offset, slope, errors) as a problem with two features."""
    offset, slope, errors = np.array([line for lines in lists for line in lines]).T
    offsets = np.cumsum([0, *map(len, lists)])
    return make_problem(np.stack([offset, slope], axis=1), offsets, errors_of(errors, offsets))


@LAW
@given(lists_of_lines)
@example([[(0, 0, 1), (0, 0, 0), (0, 1, 2)], [(1, 1, 0), (0, 2, 1), (2, 0, 2), (0, 3, 0)]])
def test_loss_surface_equals_counting_between_all_crossings(lists):
    problem = lines_problem(lists)
    gamma, surface = loss_surface(problem, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert len(surface) == len(gamma) + 1 and np.all(np.diff(gamma) > 0)
    offsets, slopes = problem.features.T.astype(int).tolist()
    for probe in naive_probes(offsets, slopes, problem.offsets):
        winners = naive_winners(offsets, slopes, problem.offsets, probe)
        expected = problem.metric.value(problem.statistics[winners].sum(axis=0))
        assert surface[np.searchsorted(gamma, float(probe))] == expected


@LAW
@given(lists_of_lines.map(lambda lists: lists[:1]))
def test_best_hypotheses_change_as_the_winners_from_left_to_right(lists):
    problem = lines_problem(lists)
    size = len(problem.features)
    gamma, change, sums = np.empty(size), np.empty((size, size)), np.empty(size)
    # Statistics that tell who it is.
    n = kernels._changes(
        problem.features, np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.eye(size), problem.offsets, gamma, change, sums
    )
    offset, slope = problem.features.T.astype(int).tolist()
    winners = [
        naive_winners(offset, slope, problem.offsets, p)[0] for p in naive_probes(offset, slope, problem.offsets)
    ]
    line = np.cumsum([sums, *change[:n]], axis=0)
    assert line.argmax(axis=1).tolist() == list(dict.fromkeys(winners)) and np.all(line.sum(axis=1) == 1)
    assert np.all(np.diff(gamma[:n]) > 0)
    for left, right, place in zip(line.argmax(axis=1), line.argmax(axis=1)[1:], gamma[:n]):
        assert offset[left] + place * slope[left] == pytest.approx(offset[right] + place * slope[right])


def test_surface_without_a_choice_is_one_number():
    problem = make_problem(np.zeros((3, 1)), [0, 1, 3], errors_of([1, 2, 5], None))
    gamma, surface = loss_surface(problem, np.ones(1), np.ones(1))
    assert gamma.tolist() == [] and surface.tolist() == [3 / 20]


def test_change_between_equally_good_hypotheses_is_no_step():
    problem = make_problem([[0.0], [1.0]], [0, 2], errors_of([2, 2], None))
    assert len(loss_surface(problem, np.ones(1), np.ones(1))[0]) == 0


@LAW
@given(seeds, st.integers(1, 4), metrics)
def test_tuned_weights_are_never_worse_than_their_start_and_make_the_loss_they_promise(seed, n_features, metric):
    problem = random_problem(seed, n_features, metric)
    result = line_search(problem, restarts=1)
    assert result.loss <= naive_loss(problem, 1.0 / problem.spread) + 1e-12
    assert result.loss == problem.loss(result.weights)
    assert result.loss == pytest.approx(naive_loss(problem, result.weights))
    assert np.isfinite(result.weights).all()


tied_lists = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=5),
    min_size=1,
    max_size=5,
)


@LAW
@given(tied_lists, st.booleans())
def test_tuned_weights_keep_their_promise_where_hypotheses_tie(lists, bounded):
    problem = lines_problem(lists)
    if bounded:
        problem = replace(problem, limits=limits_from((0, 1), (-1, 2)))
    result = line_search(problem, restarts=1)
    assert result.loss == problem.loss(result.weights) <= min(map(problem.loss, starts(problem, 1, 1)))


@FEWER
@given(seeds, metrics)
def test_weights_of_two_features_are_as_good_as_trying_all(seed, metric):
    problem = random_problem(seed, 2, metric)
    assert line_search(problem).loss == pytest.approx(naive_least_loss_of_the_plane(problem), rel=1e-12)


@FEWER
@given(seeds, st.integers(1, 4))
def test_same_seed_gives_the_same_weights(seed, n_features):
    problem = random_problem(seed, n_features)
    one, two = line_search(problem, seed=seed), line_search(problem, seed=seed)
    assert one.weights.tolist() == two.weights.tolist() and one.loss == two.loss


def test_threads_do_not_change_the_weights(monkeypatch):
    problem = random_problem(5, 3, utterances=30)
    several = line_search(problem, restarts=5)
    monkeypatch.setattr("lmmix.parallel.thread_count", lambda threads: 1)
    assert line_search(problem, restarts=5).weights.tolist() == several.weights.tolist()


@FEWER
@given(seeds, st.integers(2, 3), st.sampled_from([1e-6, 0.125, 3.0, 1e6]))
def test_unit_of_a_feature_does_not_change_the_loss_reached(seed, n_features, scale):
    problem = random_problem(seed, n_features, utterances=12)
    scaled = problem.features * np.array([scale, *[1.0] * (n_features - 1)])
    other = make_problem(scaled, problem.offsets, problem.statistics)
    assert line_search(other).loss == line_search(problem).loss


@FEWER
@given(seeds, st.sampled_from([0.0, 0.1, -1e5, 1 / 3]))
def test_feature_that_never_varies_gets_no_weight_and_changes_nothing(seed, constant):
    problem = random_problem(seed, 2)
    wider = np.column_stack([problem.features, np.full(len(problem.features), constant)])
    result = line_search(make_problem(wider, problem.offsets, problem.statistics))
    assert result.loss == naive_least_loss_of_the_plane(problem)
    assert result.weights[2] == 0


@FEWER
@given(seeds)
def test_one_feature_alone_counts_upwards_or_downwards(seed):
    # All lines meet where its weight is 0; rounding must not make a place of its own out of that point.
    problem = random_problem(seed, 1)
    result = line_search(problem)
    assert result.weights[0] != 0 or not problem.varies[0]
    assert result.loss == min(naive_loss(problem, [sign]) for sign in (1, -1))


@FEWER
@given(seeds)
def test_feature_far_from_zero_does_not_change_the_loss_reached(seed):
    # Acoustic scores: large numbers that differ by list, little inside a list.
    problem = random_problem(seed, 2)
    level = np.random.default_rng(seed).normal(size=len(problem.offsets) - 1) * 1e5
    far = problem.features + np.stack([level[problem.owner], np.zeros(len(problem.owner))], axis=1)
    result = line_search(make_problem(far, problem.offsets, problem.statistics))
    assert result.loss == naive_least_loss_of_the_plane(problem)


def test_spread_is_the_typical_deviation_inside_a_list():
    problem = random_problem(3, 3)
    lists = [problem.features[lo:hi].std(axis=0) for lo, hi in pairwise(problem.offsets) if hi - lo > 1]
    assert problem.spread == pytest.approx(np.median(lists, axis=0))


@pytest.mark.parametrize("unit", [1e-280, 1e-170, 1e170, 1e280])
def test_spread_is_in_the_unit_of_the_feature_however_small_or_large(unit):
    problem = random_problem(3, 2)
    other = replace(problem, features=problem.features * np.array([unit, 1.0]))
    assert other.spread == pytest.approx(problem.spread * np.array([unit, 1.0]))


def test_spread_is_that_of_lists_in_which_the_feature_differs():
    problem = make_problem([[0.0], [0.0], [5.0], [7.0], [2.0]], [0, 2, 4, 5], errors_of([0] * 5, None))
    assert problem.spread.tolist() == [1.0]


def test_weights_behind_a_far_last_step_are_found():
    # Beside the first feature the second must be over 1e12, where a step of one is a rounding error.
    problem = make_problem([[1e12, 0.0], [0.0, 1.0]], [0, 2], errors_of([1, 0], None))
    assert descend(problem, np.array([1.0, 0.0]), np.random.default_rng(1)).loss == 0.0
    fixed = replace(problem, limits=limits_from((1.0, 1.0), (-np.inf, np.inf)))
    assert descend(fixed, np.array([1.0, 0.0]), np.random.default_rng(1)).loss == 0.0


def test_weights_are_scaled_to_a_largest_part_of_one():
    problem = random_problem(3, 3)
    assert np.abs(line_search(problem).weights * problem.spread).max() == pytest.approx(1.0)


def test_lists_of_one_hypothesis_have_their_loss_whatever_the_weights():
    result = line_search(make_problem([[1.0], [-2.0]], [0, 1, 2], errors_of([3, 4], None)))
    assert result.loss == 7 / 20 and result.weights.tolist() == [0.0]


def test_feature_is_done_without_where_the_first_of_equals_is_the_best():
    # The second feature breaks the tie of the first wrongly, whatever its sign.
    features = [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [1.0, 0.0], [1.0, -1.0], [0.0, -2.0]]
    problem = make_problem(features, [0, 3, 6], errors_of([0, 1, 1, 0, 1, 1], None))
    weights = line_search(problem).weights
    assert weights[0] > 0 and weights[1] == 0 and problem.loss(weights) == 0


some_limits = st.sampled_from(
    [(-np.inf, np.inf), (0, np.inf), (-np.inf, 0), (0, 1), (-0.5, 2), (0.3, 0.3), (0, 0), (-2, -1)]
)


@LAW
@given(seeds, st.lists(some_limits, min_size=3, max_size=3), metrics)
def test_limits_hold_and_what_is_fixed_stays(seed, bounds, metric):
    problem = random_problem(seed, 3, metric, limits=limits_from(*bounds))
    for point in starts(problem, 5, seed):
        assert np.all((problem.limits.lower <= point) & (point <= problem.limits.upper))
    result = line_search(problem, restarts=2, seed=seed)
    assert np.all((problem.limits.lower <= result.weights) & (result.weights <= problem.limits.upper))
    assert result.loss == problem.loss(result.weights)


@FEWER
@given(seeds)
def test_weight_beside_a_fixed_one_is_as_good_as_trying_all(seed):
    problem = random_problem(seed, 2, limits=limits_from((0.5, 0.5), (-np.inf, np.inf)))
    gamma, _ = loss_surface(problem, np.array([0.5, 0.0]), np.array([0.0, 1.0]))
    ends = np.concatenate([[gamma[0] - 1], gamma, [gamma[-1] + 1]]) if len(gamma) else np.array([0.0, 1.0])
    assert line_search(problem, restarts=0).loss == min(
        naive_loss(problem, (0.5, x)) for x in (ends[1:] + ends[:-1]) / 2
    )


@FEWER
@given(seeds)
def test_positive_weights_are_as_good_as_the_best_of_the_quadrant(seed):
    problem = random_problem(seed, 2, limits=limits_from((0, np.inf), (0, np.inf)))
    angles = np.linspace(0, np.pi / 2, 200)[1:-1]
    tried = [problem.loss(np.array([np.cos(a), np.sin(a)]) / problem.spread) for a in angles]
    assert line_search(problem).loss <= min(tried)
