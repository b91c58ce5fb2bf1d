"""Problems of tuning to try things on."""

from __future__ import annotations

import numpy as np
from naive_nbest import Errors, Precisions

from lmmix.nbest.tuning.problem import Limits, TuningProblem, no_limits

METRICS = {"errors": Errors(), "precisions": Precisions()}


def make_problem(features, offsets, statistics, metric="errors", limits=None) -> TuningProblem:
    features = np.asarray(features, float)
    names = tuple(f"f{k}" for k in range(features.shape[1]))
    limits = limits or no_limits(len(names))
    return TuningProblem(names, features, np.asarray(offsets), np.asarray(statistics, float), METRICS[metric], limits)


def errors_of(counts, offsets, length=10):
    """(H, 2) statistics of `Errors`."""
    return np.stack([np.asarray(counts, float), np.full(len(counts), length, float)], axis=1)


def random_statistics(rng, metric, offsets):
    size = int(offsets[-1])
    if metric == "errors":
        lengths = np.repeat(rng.integers(1, 9, len(offsets) - 1), np.diff(offsets))
        return np.stack([rng.integers(0, 4, size), lengths], axis=1)
    reference = np.repeat(rng.integers(4, 9, len(offsets) - 1), np.diff(offsets))
    length = np.maximum(reference + rng.integers(-2, 3, size), 4)
    ngrams = length[:, None] - np.arange(4)
    return np.column_stack([rng.binomial(ngrams, [0.8, 0.6, 0.4, 0.3]), ngrams, length, reference])


def random_problem(seed, n_features, metric="errors", utterances=6, hypotheses=6, limits=None) -> TuningProblem:
    """No ties between features and many between errors."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *rng.integers(1, hypotheses + 1, utterances)])
    features = rng.normal(size=(offsets[-1], n_features)) * rng.uniform(0.1, 100, n_features)
    return make_problem(features, offsets, random_statistics(rng, metric, offsets), metric, limits)


def limits_from(*bounds):
    lower, upper = np.array(bounds, float).T
    return Limits(lower, upper)
