from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nbest import naive_expected_loss, naive_mira_pass, naive_posteriors
from tuning_problems import METRICS, errors_of, limits_from, make_problem, random_problem

from lmmix.metrics.metric import make_metric
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.tuning import _kernels as kernels
from lmmix.nbest.tuning.expected import ExpectedLoss, expected
from lmmix.nbest.tuning.mira import _costs, mira
from lmmix.nbest.tuning.pro import KEPT, LEAST, pro, sampled_pairs
from lmmix.nbest.tuning.problem import tuning_problem
from lmmix.nbest.tuning.smooth import OUTLIER, PRIOR, derivative, parts
from lmmix.nbest.tuning.tune import METHODS, TuneSettings, tune_weights
from lmmix.nbest.utterance import Utterance

LAW = settings(deadline=None, derandomize=True, max_examples=30)
FEWER = settings(LAW, max_examples=6)
SMOOTH = {"expected": expected, "pro": pro, "mira": mira}
methods = pytest.mark.parametrize("method", SMOOTH)
metrics = st.sampled_from(["errors", "precisions"])
seeds = st.integers(0, 10**6)


def test_every_method_is_tried_here():
    assert METHODS.keys() == {"mert", *SMOOTH}


@LAW
@given(seeds, metrics, st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_expected_loss_and_its_gradient(seed, metric, theta):
    problem = random_problem(seed, 3, metric, utterances=3)
    function, theta = ExpectedLoss(problem), np.array(theta)
    value, gradient = function(theta)
    assert value * function.unit == pytest.approx(naive_expected_loss(problem, theta), rel=1e-9, abs=1e-12)
    for k, axis in enumerate(np.eye(3) * 1e-5):
        slope = (function(theta + axis)[0] - function(theta - axis)[0]) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-4, abs=1e-6)


@LAW
@given(seeds, st.floats(-3, 3))
def test_posteriors_are_a_softmax_in_each_list(seed, theta):
    problem = random_problem(seed, 1)
    p = ExpectedLoss(problem).posteriors(np.array([theta]))
    for lo, hi in itertools.pairwise(problem.offsets):
        totals = problem.features[lo:hi, 0] / problem.spread[0] * theta
        assert p[lo:hi] == pytest.approx(naive_posteriors(totals), rel=1e-9)


def test_posteriors_of_enormous_totals_are_finite():
    problem = make_problem([[0.0], [1e150], [-1e150]], [0, 3], errors_of([1, 0, 2], None))
    assert ExpectedLoss(problem).posteriors(np.array([1e6])).tolist() == [0, 1, 0]


def test_derivative_of_a_linear_metric_is_what_it_is():
    slope = derivative(METRICS["errors"], np.array([0.0, 20.0]))
    assert slope == pytest.approx([1 / 20, 0.0], abs=1e-12)
    slope = derivative(METRICS["errors"], np.array([6.0, 20.0]))
    assert slope == pytest.approx([1 / 20, -6 / 400])


def test_derivative_at_zero_is_what_the_first_one_counted_changes():
    # No right bigram: one of them makes BLEU better, not worse, although the smoothing counts half a one.
    bleu = make_metric("bleu")
    sums = np.array([20.0, 20.0, 9.0, 0.0, 0.0, 0.0, 20.0, 19.0, 18.0, 17.0])
    assert derivative(bleu, sums)[3] == bleu.value(sums) - bleu.value(sums + np.eye(10)[3]) < 0


def test_errors_that_are_not_made_yet_cost_as_much_in_mira():
    # What the weights choose has substitutions only; an insertion must not seem free.
    first = Utterance("a", ["x z", "x y q", "x y"], {"am": [3, 2, 1]}, ("x y",))
    second = Utterance("b", ["p z", "p r r", "p r"], {"am": [3, 2, 1]}, ("p r",))
    problem = tuning_problem(NbestLists([first, second]), ["am"], make_metric("wer"))
    assert _costs(problem, np.array([1.0])).tolist() == [1, 1, 0, 1, 1, 0]


def test_parts_are_cut_off_far_from_the_median_of_their_list():
    features = [[-5e3], [-2.0], [-1.0], [1.0], [2.0], [1e5], [3.0], [5.0]]
    problem = make_problem(features, [0, 6, 8], errors_of([0] * 8, None))
    expected = np.clip(np.array([-4999.0, -1, 0, 2, 3, 100001, 0, 2]) / problem.spread, -OUTLIER, OUTLIER)
    assert parts(problem)[:, 0] == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_hypotheses_of_probability_zero_do_not_hide_what_the_model_tells(method, share):
    rng = np.random.default_rng(1)
    errors = rng.integers(0, 4, (400, 8))
    am, lm = rng.normal(-errors, 1.5), rng.normal(-2 * errors, 1.5)
    hit = np.flatnonzero(rng.random(400) < share)
    floored = lm.copy()
    floored[hit, rng.integers(0, 8, len(hit))] = -1e4
    settings = TuneSettings(method=method, restarts=3)

    def tuned(model):
        features = np.stack([am.ravel(), model.ravel()], axis=1)
        return tune_weights(
            make_problem(features, np.arange(0, 3201, 8), errors_of(errors.ravel(), None)), settings
        ).loss

    # PRO suffers more: a pair counts the more, the farther it is ranked the wrong way.
    lost = 0.5 if (method, share) == ("pro", 0.2) else 0.05
    assert tuned(floored) - tuned(lm) < lost * (tuned(am) - tuned(lm))


@LAW
@given(seeds, metrics)
def test_pairs_are_the_most_different_ones_of_each_list(seed, metric):
    problem = random_problem(seed, 2, metric, hypotheses=15)
    loss = problem.metric.sentence_loss(problem.statistics)
    better, worse = sampled_pairs(problem, np.random.default_rng(seed))
    assert np.all(problem.owner[better] == problem.owner[worse])
    lists = list(itertools.pairwise(problem.offsets))
    least = LEAST * max(max(loss[lo:hi]) - min(loss[lo:hi]) for lo, hi in lists)
    for u, (lo, hi) in enumerate(lists):
        differences = [abs(loss[i] - loss[j]) for i, j in itertools.combinations(range(lo, hi), 2)]
        wanted = sorted((d for d in differences if d > least), reverse=True)[:KEPT]
        mine = problem.owner[better] == u
        assert sorted(loss[worse[mine]] - loss[better[mine]], reverse=True) == pytest.approx(wanted)
        assert len(set(zip(better[mine], worse[mine]))) == len(wanted)


def test_pairs_of_long_lists_are_drawn():
    size = 150
    problem = make_problem(np.zeros((size, 1)), [0, size], errors_of(np.arange(size), None))
    better, worse = sampled_pairs(problem, np.random.default_rng(1))
    assert len(better) == KEPT and np.all(worse - better > 0.8 * size)


@FEWER
@given(seeds)
def test_ranking_ends_where_no_weights_near_by_rank_better(seed):
    problem = random_problem(seed, 2, utterances=10)
    better, worse = sampled_pairs(problem, np.random.default_rng(seed))

    def objective(theta):
        margins = [(problem.features[b] - problem.features[w]) / problem.spread @ theta for b, w in zip(better, worse)]
        return np.mean(np.log1p(np.exp(-np.array(margins)))) + PRIOR / 2 * theta @ theta

    theta = pro(problem, seed=seed).weights * problem.spread
    for step in np.concatenate([np.eye(2), -np.eye(2)]) * 0.01:
        assert objective(theta) <= objective(theta + step)


@LAW
@given(seeds, st.booleans())
def test_pass_of_mira_equals_its_twin(seed, bounded):
    problem = random_problem(seed, 3)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(problem.offsets) - 1)
    cost = rng.random(len(problem.features))
    lower, upper = ([-0.001, 0.0, 0.0], [0.001, np.inf, 0.0]) if bounded else ([-np.inf] * 3, [np.inf] * 3)
    weights, gathered = np.zeros(3), np.zeros(3)
    after = naive_mira_pass(problem.features, cost, problem.offsets, order, 0.01, list(zip(lower, upper)), weights)
    kernels._mira_pass(
        problem.features, cost, problem.offsets, order, 0.01, np.array(lower), np.array(upper), weights, gathered
    )
    assert weights == pytest.approx(after[-1]) and gathered == pytest.approx(np.sum(after, axis=0))


def with_oracle(seed, metric, sign=1.0, utterances=15):
    """A problem of which one feature tells the loss, up to its sign, and two tell nothing."""
    problem = random_problem(seed, 3, metric, utterances)
    features = problem.features.copy()
    features[:, 1] = -sign * 50 * problem.metric.sentence_loss(problem.statistics)
    return replace(problem, features=features)


@pytest.mark.parametrize("method", METHODS)
@FEWER
@given(seeds, st.sampled_from([1.0, -1.0]))
def test_feature_that_tells_the_errors_leads_to_the_oracle(method, seed, sign):
    problem = with_oracle(seed, "errors", sign)
    oracle = problem.loss(np.array([0.0, sign, 0.0]))
    assert tune_weights(problem, TuneSettings(method=method, restarts=3)).loss == oracle


@pytest.mark.parametrize("method", METHODS)
@FEWER
@given(seeds)
def test_feature_that_tells_the_sentence_loss_leads_close_to_the_best_text(method, seed):
    problem = with_oracle(seed, "precisions", utterances=100)
    told = problem.loss(np.array([0.0, 1.0, 0.0]))
    start = problem.loss(np.ones(3) / problem.spread)
    found = tune_weights(problem, TuneSettings(method=method, restarts=3)).loss
    assert found <= told + 0.1 * max(start - told, 0.0) + 1e-9


@methods
@FEWER
@given(seeds, st.sampled_from([2.0**-20, 8.0, 2.0**20]))
def test_units_of_features_do_not_matter(method, seed, unit):
    problem = random_problem(seed, 3, utterances=10)
    other = replace(problem, features=problem.features * np.array([unit, 1.0, 1.0]))
    one, two = SMOOTH[method](problem, restarts=2), SMOOTH[method](other, restarts=2)
    assert two.weights * other.spread == pytest.approx(one.weights * problem.spread, rel=1e-6, abs=1e-9)


@methods
@FEWER
@given(seeds, metrics, st.integers(0, 3))
def test_limits_hold_and_the_loss_is_that_of_the_weights(method, seed, metric, which):
    bounds = [(0, 0.5), (-np.inf, 0), (0.3, 0.3), (-np.inf, np.inf)]
    problem = random_problem(seed, 2, metric, limits=limits_from(bounds[which], bounds[(which + 1) % 4]))
    found = SMOOTH[method](problem, restarts=2, seed=seed)
    assert np.all((problem.limits.lower <= found.weights) & (found.weights <= problem.limits.upper))
    assert found.loss == problem.loss(found.weights)


@methods
def test_same_seed_gives_the_same_weights_on_any_number_of_threads(method, monkeypatch):
    problem = random_problem(7, 3, utterances=20)
    one = SMOOTH[method](problem, restarts=3, seed=5)
    monkeypatch.setattr("lmmix.parallel.thread_count", lambda threads: 1)
    assert SMOOTH[method](problem, restarts=3, seed=5).weights.tolist() == one.weights.tolist()


@methods
def test_feature_that_never_varies_gets_no_weight(method):
    problem = random_problem(4, 3, utterances=10)
    features = problem.features.copy()
    features[:, 1] = 3.0
    assert SMOOTH[method](replace(problem, features=features), restarts=2).weights[1] == 0


@methods
@pytest.mark.parametrize("errors", [[1, 1, 1], [0, 0, 0]])
def test_lists_of_equally_good_hypotheses_can_be_tuned_on(method, errors):
    problem = make_problem([[0.0], [1.0], [3.0]], [0, 2, 3], errors_of(errors, None))
    found = SMOOTH[method](problem)
    assert np.isfinite(found.weights).all() and found.loss == sum(errors[:2]) / 20
