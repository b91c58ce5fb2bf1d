"""Pairwise ranking optimisation, PRO (Hopkins & May 2011): weights that put the better of two hypotheses first."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lmmix.nbest.tuning.problem import TuneResult, TuningProblem
from lmmix.nbest.tuning.smooth import minimised, parts, result_of, scores, weighted_sum
from lmmix.nbest.tuning.starts import starts

SAMPLED = 5000
"""Γ: pairs drawn from a list; all pairs of lists that have no more."""

LEAST = 0.05
"""α: pairs that differ by less do not count; a share of the largest difference inside a list, as of BLEU's range."""

KEPT = 50
"""Ξ: pairs of each list that are kept, those that differ most."""


def pro(problem: TuningProblem, *, restarts: int = 20, seed: int = 1) -> TuneResult:
    """Weights by logistic regression on pairs of hypotheses of which one has the smaller loss.

    The loss of a hypothesis is `Metric.sentence_loss`. The regression (with a small prior) has one minimum, so random
    `restarts` are not needed and not made; `seed` draws the pairs.
    """
    better, worse = sampled_pairs(problem, np.random.default_rng(seed))
    start = starts(problem, 0, seed)[0]
    if not len(better):
        return result_of(problem, start)
    scaled = parts(problem)
    ahead = scaled[better] - scaled[worse]

    def regression(theta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = scores(ahead, theta)
        wrong = np.exp(-np.logaddexp(0.0, margin))
        return float(np.logaddexp(0.0, -margin).mean()), -weighted_sum(wrong, ahead) / len(ahead)

    return result_of(problem, minimised(problem, regression, start)[0])


def sampled_pairs(problem: TuningProblem, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hypotheses (P,) and worse ones of the same list (P,)."""
    losses = problem.metric.sentence_loss(problem.statistics)
    firsts = problem.offsets[:-1]
    ranges = np.maximum.reduceat(losses, firsts) - np.minimum.reduceat(losses, firsts)
    least = LEAST * float(ranges.max())
    pairs = []
    for lo, hi in pairwise(problem.offsets):
        left, right = lo + _drawn(int(hi - lo), rng)
        difference = losses[right] - losses[left]
        left, right = np.where(difference > 0, left, right), np.where(difference > 0, right, left)
        difference = np.abs(difference)
        far = np.flatnonzero(difference > least)
        far = far[np.argsort(-difference[far], kind="stable")[:KEPT]]
        pairs.append(np.stack([left[far], right[far]]))
    better, worse = np.concatenate(pairs, axis=1)
    return better, worse


def _drawn(size: int, rng: np.random.Generator) -> np.ndarray:
    """(2, P) pairs of numbers below `size`, in random order."""
    if size * (size - 1) // 2 > SAMPLED:
        return rng.integers(size, size=(2, SAMPLED))
    pairs = np.stack(np.triu_indices(size, 1))
    return pairs[:, rng.permutation(pairs.shape[1])]
