from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive_nbest import naive_errors, naive_fewest_errors_of_the_plane, naive_probes, naive_winners

from lmmix.errors import SettingError
from lmmix.nbest import _kernels as kernels
from lmmix.nbest.tune import error_surface, tune_weights

LAW = settings(deadline=None, derandomize=True)
FEWER = settings(LAW, max_examples=25)
small = st.integers(-3, 3)
# Few different numbers: many equal slopes, equal hypotheses and crossings of more than two lines in one point.
lists_of_lines = st.lists(
    st.lists(st.tuples(small, small, st.integers(0, 3)), min_size=1, max_size=6), min_size=1, max_size=4
)


def as_arrays(lists):
    """(offset, slope, bounds, errors) of lists of lines."""
    offset, slope, errors = np.array([line for lines in lists for line in lines]).T
    bounds = np.cumsum([0, *map(len, lists)])
    return offset.astype(float), slope.astype(float), bounds, np.ascontiguousarray(errors)


@LAW
@given(lists_of_lines)
@example([[(0, 0, 1), (0, 0, 0), (0, 1, 2)], [(1, 1, 0), (0, 2, 1), (2, 0, 2), (0, 3, 0)]])
def test_error_surface_equals_counting_between_all_crossings(lists):
    offset, slope, bounds, errors = as_arrays(lists)
    gamma, surface = error_surface(offset, slope, bounds, errors)
    assert len(surface) == len(gamma) + 1 and np.all(np.diff(gamma) > 0)
    lines = [(o, s) for one in lists for o, s, _ in one]
    offsets, slopes = zip(*lines)
    for probe in naive_probes(offsets, slopes, bounds):
        winners = naive_winners(offsets, slopes, bounds, probe)
        assert surface[np.searchsorted(gamma, float(probe))] == errors[winners].sum()


@LAW
@given(lists_of_lines.map(lambda lists: lists[:1]))
def test_envelope_is_made_of_the_winners_from_left_to_right(lists):
    offset, slope, bounds, _ = as_arrays(lists)
    order = np.lexsort((np.arange(len(offset)), -offset, slope))
    line, start = np.empty(len(offset), np.int64), np.empty(len(offset))
    size = kernels._envelope(offset, slope, order, 0, len(offset), line, start)

    offsets, slopes, _ = zip(*lists[0])
    winners = [naive_winners(offsets, slopes, bounds, probe)[0] for probe in naive_probes(offsets, slopes, bounds)]
    assert line[:size].tolist() == list(dict.fromkeys(winners))
    assert start[0] == -np.inf and np.all(np.diff(start[:size]) > 0)
    for left, right, place in zip(line, line[1:size], start[1:size]):
        assert offset[left] + place * slope[left] == pytest.approx(offset[right] + place * slope[right])


def test_surface_without_a_choice_is_one_number():
    gamma, surface = error_surface(np.zeros(3), np.zeros(3), np.array([0, 1, 3]), np.array([1, 2, 5]))
    assert gamma.tolist() == [] and surface.tolist() == [3]


def random_task(seed: int, n_features: int, utterances: int = 6, hypotheses: int = 6):
    """(features, bounds, errors) with no ties between features and many between errors."""
    rng = np.random.default_rng(seed)
    bounds = np.cumsum([0, *rng.integers(1, hypotheses + 1, utterances)])
    features = rng.normal(size=(bounds[-1], n_features)) * rng.uniform(0.1, 100, n_features)
    return features, bounds, rng.integers(0, 4, bounds[-1])


seeds = st.integers(0, 10**6)


@LAW
@given(seeds, st.integers(1, 4), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_tuned_weights_are_never_worse_than_their_start_and_make_the_errors_they_promise(seed, n_features, start):
    features, bounds, errors = random_task(seed, n_features)
    start = np.array(start[:n_features])
    result = tune_weights(features, bounds, errors, start=start, restarts=1)
    assert result.errors <= naive_errors(features, bounds, errors, start)
    assert result.errors == naive_errors(features, bounds, errors, result.weights)
    assert np.isfinite(result.weights).all()


tied_lists = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=5),
    min_size=1,
    max_size=5,
)


@LAW
@given(tied_lists, st.sampled_from([(1, 1), (1, 0), (2, -1)]))
def test_tuned_weights_keep_their_promise_where_hypotheses_tie(lists, start):
    offset, slope, bounds, errors = as_arrays(lists)
    features = np.stack([offset, slope], axis=1)
    result = tune_weights(features, bounds, errors, start=np.array(start, float), restarts=1)
    assert naive_errors(features, bounds, errors, result.weights) <= naive_errors(features, bounds, errors, start)


@FEWER
@given(seeds)
def test_weights_of_two_features_are_as_good_as_trying_all(seed):
    features, bounds, errors = random_task(seed, 2)
    result = tune_weights(features, bounds, errors)
    assert result.errors == naive_fewest_errors_of_the_plane(features, bounds, errors)


@FEWER
@given(seeds, st.integers(1, 4))
def test_same_seed_gives_the_same_weights(seed, n_features):
    task = random_task(seed, n_features)
    one, two = tune_weights(*task, seed=seed), tune_weights(*task, seed=seed)
    assert one.weights.tolist() == two.weights.tolist() and one.errors == two.errors


@FEWER
@given(seeds, st.integers(2, 3), st.sampled_from([1e-6, 0.125, 3.0, 1e6]))
def test_unit_of_a_feature_does_not_change_the_errors_reached(seed, n_features, scale):
    features, bounds, errors = random_task(seed, n_features, utterances=12)
    scaled = features * np.array([scale, *[1.0] * (n_features - 1)])
    assert tune_weights(scaled, bounds, errors).errors == tune_weights(features, bounds, errors).errors


@FEWER
@given(seeds, st.sampled_from([0.0, 0.1, -1e5, 1 / 3]))
def test_feature_that_never_varies_does_not_change_the_errors_reached(seed, constant):
    features, bounds, errors = random_task(seed, 2)
    wider = np.column_stack([features, np.full(len(features), constant)])
    fewest = naive_fewest_errors_of_the_plane(features, bounds, errors)
    result = tune_weights(wider, bounds, errors)
    assert result.errors == fewest
    assert naive_errors(wider, bounds, errors, result.weights) == fewest


@FEWER
@given(seeds)
def test_one_feature_alone_counts_upwards_or_downwards(seed):
    # All lines meet where its weight is 0; rounding must not make a place of its own out of that point.
    features, bounds, errors = random_task(seed, 1)
    result = tune_weights(features, bounds, errors)
    assert result.weights[0] != 0
    assert result.errors == min(naive_errors(features, bounds, errors, [sign]) for sign in (1, -1))


@FEWER
@given(seeds)
def test_feature_far_from_zero_does_not_change_the_errors_reached(seed):
    # Acoustic scores: large numbers that differ by list, little inside a list.
    features, bounds, errors = random_task(seed, 2)
    level = np.repeat(np.random.default_rng(seed).normal(size=len(bounds) - 1) * 1e5, np.diff(bounds))
    result = tune_weights(np.column_stack([features[:, 0] + level, features[:, 1]]), bounds, errors)
    assert result.errors == naive_fewest_errors_of_the_plane(features, bounds, errors)


def test_weights_are_scaled_to_a_largest_part_of_one():
    features, bounds, errors = random_task(3, 3)
    spread = np.mean([features[lo:hi].std(axis=0) for lo, hi in pairwise(bounds) if hi - lo > 1], axis=0)
    weights = tune_weights(features, bounds, errors).weights
    assert np.abs(weights * spread).max() == pytest.approx(1.0)


def test_lists_of_one_hypothesis_have_their_errors_whatever_the_weights():
    result = tune_weights(np.array([[1.0], [-2.0]]), np.array([0, 1, 2]), np.array([3, 4]))
    assert result.errors == 7 and np.isfinite(result.weights).all()


def test_start_at_zero_weights_can_be_left():
    features = np.array([[0.0, 1.0], [1.0, 0.0]])
    result = tune_weights(features, np.array([0, 2]), np.array([1, 0]), start=np.zeros(2), restarts=0)
    assert result.errors == 0


def test_negative_restarts_are_refused():
    with pytest.raises(SettingError, match="restarts is -1"):
        tune_weights(np.ones((1, 1)), np.array([0, 1]), np.array([0]), restarts=-1)
