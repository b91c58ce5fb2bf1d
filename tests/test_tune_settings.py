from __future__ import annotations

import math
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nbest import naive_loss
from tuning_problems import errors_of, limits_from, make_problem, random_problem

from lmmix.errors import InputError, MissingDependencyError, SettingError
from lmmix.metrics.metric import make_metric
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.plot import plot_surface
from lmmix.nbest.rescore import rescore
from lmmix.nbest.tuning.ablation import without
from lmmix.nbest.tuning.cross_validation import cross_validated
from lmmix.nbest.tuning.grid import around, heaviest, loss_grid
from lmmix.nbest.tuning.problem import tuning_problem
from lmmix.nbest.tuning.tune import METHODS, TuneSettings, find_weights, limits_of, tune_weights
from lmmix.nbest.utterance import Utterance

FEWER = settings(deadline=None, derandomize=True, max_examples=10)
seeds = st.integers(0, 10**6)
metrics = st.sampled_from(["errors", "precisions"])


@pytest.mark.parametrize(
    "given, message",
    [
        ({"method": "grid"}, "no way to tune called 'grid'; there are mert, expected, pro, mira"),
        ({"metric": "accuracy"}, "no metric 'accuracy'; there are wer"),
        ({"restarts": -1}, "restarts is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"folds": 1}, "folds is 1"),
        ({"folds": -2}, "folds is -2"),
        ({"fixed": {"am": math.nan}}, "fixed weight of 'am' is nan"),
        ({"fixed": {"am": math.inf}}, "fixed weight of 'am' is inf"),
        ({"bounds": {"am": (1.0, 0.0)}}, "bounds of 'am' are 1.0 and 0.0"),
        ({"bounds": {"am": (math.nan, 0.0)}}, "bounds of 'am' are nan"),
        ({"bounds": {"am": (math.inf, math.inf)}}, "bounds of 'am' are inf"),
        ({"bounds": {"am": (-math.inf, -math.inf)}}, "bounds of 'am' are -inf"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, message):
    with pytest.raises(SettingError, match=message):
        TuneSettings(**given)


def test_limits_are_those_of_the_settings():
    given = TuneSettings(fixed={"lm": 0.5}, bounds={"am": (-1.0, math.inf)})
    limits = limits_of(["am", "lm:mix", "words"], given)
    assert limits.lower.tolist() == [-1.0, 0.5, -math.inf] and limits.upper.tolist() == [math.inf, 0.5, math.inf]
    assert limits.free.tolist() == [True, False, True] and not limits.scalable


def test_weight_may_be_limited_once_only():
    with pytest.raises(SettingError, match="'lm:mix' is fixed or bounded twice, as 'lm:mix' and as 'lm'"):
        limits_of(["lm:mix"], TuneSettings(fixed={"lm": 0.5}, bounds={"lm:mix": (0.0, 1.0)}))


def test_unknown_feature_is_refused_with_those_there_are():
    with pytest.raises(SettingError, match="no feature 'tm'; there are am, lm:a"):
        limits_of(["am", "lm:a"], TuneSettings(fixed={"tm": 0.5}))


def test_lists_without_any_reference_have_no_weights():
    problem = make_problem([[0.0], [1.0]], [0, 2], errors_of([1, 2], None, length=0))
    with pytest.raises(InputError, match="errors has no value on these lists"), np.errstate(divide="ignore"):
        tune_weights(problem, TuneSettings())


@FEWER
@given(seeds, metrics, st.sampled_from([2, 3, 6]))
def test_cross_validation_chooses_with_weights_of_the_other_folds(seed, metric, folds):
    problem = random_problem(seed, 2, metric)
    found = tune_weights(problem, TuneSettings(folds=folds, restarts=2))
    assert found.weights.tolist() == tune_weights(problem, TuneSettings(restarts=2)).weights.tolist()
    lists = list(pairwise(problem.offsets))
    for k in range(folds):
        others = problem.part(np.array([u for u in range(len(lists)) if u % folds != k]))
        assert found.fold_weights[k].tolist() == tune_weights(others, TuneSettings(restarts=2)).weights.tolist()
        for u in range(k, len(lists), folds):
            lo, hi = lists[u]
            best = lo + int(np.argmax(problem.features[lo:hi] @ found.fold_weights[k]))
            assert found.held_out[u].tolist() == problem.statistics[best].tolist()


def test_part_of_a_problem_has_the_lists_named():
    problem = random_problem(2, 2)
    part = problem.part(np.array([1, 3]))
    rows = [*range(problem.offsets[1], problem.offsets[2]), *range(problem.offsets[3], problem.offsets[4])]
    assert part.features.tolist() == problem.features[rows].tolist()
    assert part.statistics.tolist() == problem.statistics[rows].tolist()


@pytest.mark.parametrize("folds", [7, 100])
def test_more_folds_than_utterances_are_refused(folds):
    with pytest.raises(SettingError, match=f"folds is {folds}; with 6 utterances it must be 2 … 6"):
        cross_validated(random_problem(1, 1), folds, lambda part: np.ones(1))


@pytest.mark.parametrize("method", METHODS)
@FEWER
@given(seeds, metrics, st.integers(0, 2))
def test_leaving_a_feature_out_is_tuning_without_it_by_the_same_method(method, seed, metric, k):
    problem = random_problem(seed, 3, metric, utterances=12)
    kept = [i for i in range(3) if i != k]
    narrow = make_problem(problem.features[:, kept], problem.offsets, problem.statistics, metric)
    lost = without(problem, k, TuneSettings(method=method))
    assert find_weights(narrow, TuneSettings(method="mert")).loss - 1e-12 <= lost <= problem.loss(np.zeros(3))
    if method in ("pro", "mira"):  # the others may end in another minimum where there is one more dimension
        assert lost == pytest.approx(find_weights(narrow, TuneSettings(method=method, restarts=0)).loss)


@pytest.mark.parametrize("method", METHODS)
def test_feature_that_helps_is_missed_and_one_that_tells_nothing_is_not(method):
    rng = np.random.default_rng(1)
    errors = rng.integers(0, 4, (400, 8)).ravel()
    features = np.stack([rng.normal(-errors, 1), rng.normal(-errors, 1), rng.normal(size=3200)], axis=1)
    problem = make_problem(features, np.arange(0, 3201, 8), errors_of(errors, None))
    tuned = tune_weights(problem, TuneSettings(method=method, restarts=3)).loss
    am, lm, noise = (without(problem, k, TuneSettings(method=method)) - tuned for k in range(3))
    assert min(am, lm) > 0.009 and abs(noise) < 0.003


@pytest.mark.parametrize("method", METHODS)
def test_leaving_the_only_feature_out_leaves_the_first(method):
    problem = random_problem(3, 1)
    first = problem.statistics[problem.offsets[:-1]].sum(axis=0)
    assert without(problem, 0, TuneSettings(method=method)) == problem.metric.value(first)


def test_fixed_feature_can_be_left_out():
    problem = random_problem(3, 2, limits=limits_from((0.5, 0.5), (-1, 1)))
    least = min(naive_loss(problem, (0, x)) for x in (-1, 0, 1))
    assert without(problem, 0, TuneSettings(method="mert")) == least


def test_report_says_what_tuning_without_a_feature_reaches():
    lists = noisy_lists(40)
    settings = TuneSettings(restarts=2)
    report = rescore(lists, {}, tune=settings, counts=[])[1]
    assert report.without.keys() == {"am", "noise"}
    for name in report.without:
        fixed = rescore(lists, {}, tune=TuneSettings(restarts=0, fixed={name: 0.0}), counts=[])[1]
        assert report.without[name] == fixed.value("wer")


def noisy_lists(size):
    """Of a score that tells most errors, and of one that tells nothing."""
    rng = np.random.default_rng(1)
    utterances = []
    for u in range(size):
        texts = ["a b c", "a b", "a", "d"]
        scores = {"am": rng.normal([3, 2, 1, 0]), "noise": rng.normal(size=4)}
        order = rng.permutation(4)
        scores = {name: values[order].tolist() for name, values in scores.items()}
        utterances.append(Utterance(str(u), [texts[i] for i in order], scores, ("a b c",)))
    return NbestLists(utterances)


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_zero_where_the_order_of_the_list_is_better(method, caplog):
    # The first is right in four of five lists; the feature is noise.
    rng = np.random.default_rng(0)
    problem = make_problem(rng.normal(size=(600, 1)), np.arange(0, 601, 3), errors_of([0, 1, 2, 0, 2, 1] * 100, None))
    found = tune_weights(problem, TuneSettings(method=method, restarts=3))
    assert found.weights.tolist() == [0.0] and found.loss == 0.0
    assert "all of them are 0" in caplog.text and "--counts rank" in caplog.text


def test_weights_that_may_not_be_zero_are_not():
    problem = make_problem([[1.0], [0.0]], [0, 2], errors_of([1, 0], None), limits=limits_from((0.5, 2.0)))
    assert find_weights(problem, TuneSettings()).weights[0] >= 0.5


@pytest.mark.parametrize("method", METHODS)
def test_fold_without_any_reference_is_named(method):
    statistics = [[1.0, 2.0], [0.0, 2.0], [1.0, 0.0], [0.0, 0.0]]
    problem = make_problem([[0.0], [1.0], [0.0], [1.0]], [0, 2, 4], statistics)
    message = "errors has no value on the utterances outside of fold 0: all their references are empty"
    with pytest.raises(InputError, match=message), np.errstate(divide="ignore"):
        tune_weights(problem, TuneSettings(method=method, folds=2, restarts=1))


@pytest.mark.parametrize("metric", ["bleu", "chrf", "chrf++", "ter"])
def test_lists_without_any_reference_say_nothing_of_translations(metric):
    lists = NbestLists([Utterance("a", ["x y", "x"], {"tm": [1, 2]}, ("",))])
    with pytest.raises(InputError, match="the same whatever is chosen from these lists"):
        tune_weights(tuning_problem(lists, ["tm"], make_metric(metric)), TuneSettings())


def test_lists_of_equally_good_hypotheses_say_nothing():
    problem = make_problem([[0.0], [1.0], [3.0]], [0, 2, 3], errors_of([1, 1, 0], None))
    with pytest.raises(InputError, match="errors is the same whatever is chosen"):
        tune_weights(problem, TuneSettings())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unit", [1e-280, 1e-170, 1e170, 1e280])
def test_features_in_tiny_and_huge_units_have_weights(method, unit):
    lists = noisy_lists(40)
    usual = tuned(lists, method)
    for one in lists.utterances:
        one.scores["am"] = [unit * value for value in one.scores["am"]]
    found = tuned(NbestLists(lists.utterances), method)
    assert found.weights * [unit, 1.0] == pytest.approx(usual.weights, rel=1e-4)
    assert found.loss == pytest.approx(usual.loss)


def tuned(lists, method):
    problem = tuning_problem(lists, ["am", "noise"], make_metric("wer"))
    return tune_weights(problem, TuneSettings(method=method, restarts=2))


@pytest.mark.parametrize(
    "scores, message",
    [
        ([0.0, math.nan], "utterance 'b': 'am' is not finite"),
        ([0.0, -math.inf], "utterance 'b': 'am' is not finite"),
        ([1.7e308, -1.7e308], "utterance 'b': 'am' is not finite, or too large"),
        ([0.0, 1e-320], "'am' differs by about 5e-321 inside a list"),
        ([0.0, 1e300], "'am' differs by about 5e[+]299 inside a list"),
    ],
)
def test_features_that_no_weight_fits_are_refused(scores, message):
    lists = NbestLists(
        [Utterance("a", ["x"], {"am": [0.0]}, ("x",)), Utterance("b", ["x", "y"], {"am": scores}, ("x",))]
    )
    with pytest.raises(InputError, match=message):
        tuning_problem(lists, ["am"], make_metric("wer"))


@FEWER
@given(seeds, metrics)
def test_grid_has_the_losses_of_its_points(seed, metric):
    problem = random_problem(seed, 3, metric)
    weights = np.array([0.3, 1.0, -0.5]) / problem.spread
    values = around(problem, weights, (2, 0), 5)
    grid = loss_grid(problem, weights, (2, 0), values)
    for i, first in enumerate(values[0]):
        for j, second in enumerate(values[1]):
            point = np.array([second, weights[1], first])
            assert grid[i, j] == pytest.approx(problem.loss(point), rel=1e-12)


def test_grid_is_of_the_heaviest_features():
    problem = random_problem(5, 3)
    assert heaviest(problem, np.array([0.1, -1.0, 0.5]) / problem.spread) == (1, 2)


@pytest.mark.parametrize("suffix, metric", [("png", "errors"), ("svg", "precisions"), ("pdf", "errors")])
def test_picture_is_written_and_the_same_again(suffix, metric, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("lmmix.nbest.plot.SIZE", 9)
    problem = random_problem(5, 3, metric)
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    plot_surface(problem, np.ones(3), (), one)
    plot_surface(problem, np.ones(3), (), two)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes()[:4] in (b"\x89PNG", b"<?xm", b"%PDF")


def test_picture_needs_two_features_and_a_known_suffix(tmp_path):
    pytest.importorskip("matplotlib")
    problem = random_problem(5, 3)
    with pytest.raises(SettingError, match=r"must be called \*.png, \*.svg, \*.pdf"):
        plot_surface(problem, np.ones(3), (), tmp_path / "picture.gif")
    with pytest.raises(SettingError, match="no feature 'lm'"):
        plot_surface(problem, np.ones(3), ("f0", "lm"), tmp_path / "a.png")
    with pytest.raises(SettingError, match="of two features, not of f0, f0"):
        plot_surface(problem, np.ones(3), ("f0", "f0"), tmp_path / "a.png")
    with pytest.raises(SettingError, match="the lists have one"):
        plot_surface(random_problem(5, 1), np.ones(1), (), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_picture_without_matplotlib_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lmmix\[report\]'"):
        plot_surface(random_problem(5, 2), np.ones(2), (), tmp_path / "a.png")
