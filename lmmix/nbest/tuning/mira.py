"""Batch MIRA with hope and fear (Cherry & Foster 2012; Crammer & Singer 2003): a margin as wide as the loss."""

from __future__ import annotations

import numpy as np

from lmmix.nbest.tuning import _kernels as kernels
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem
from lmmix.nbest.tuning.smooth import derivative, parts, result_of, scores
from lmmix.progress import task

LARGEST = 0.01
"""C: the largest step of an update."""

PASSES = 300
"""J: how often all lists are gone through."""


def mira(problem: TuningProblem, *, restarts: int = 20, seed: int = 1) -> TuneResult:
    """Average weights after the pass that left the least loss.

    In each list the hope (high score, small loss) should be ahead of the fear (high score, large loss) by as much as
    their losses differ; weights take the smallest step that makes it so, if that is not too large. The loss of a
    hypothesis is `Metric.sentence_loss` where the metric is linear, else how it changes the loss of the text that the
    weights of the pass before choose, to first order, which takes the place of the decaying background of the paper.
    The typical range of losses in a list is 1. Weights begin at 0, so random `restarts` are not made; `seed` draws the
    order of the lists.
    """
    rng = np.random.default_rng(seed)
    scaled, spread, limits = parts(problem), problem.spread, problem.limits
    lower, upper = limits.lower * spread, limits.upper * spread
    theta = limits.clipped(np.zeros(len(spread))) * spread
    gathered = np.zeros(len(spread))
    lists = len(problem.offsets) - 1
    best = result_of(problem, limits.clipped(theta / spread))
    now = best
    with task("tuning", PASSES) as advance:
        for done in range(1, PASSES + 1):
            order = rng.permutation(lists)
            cost = _costs(problem, now.weights)
            kernels._mira_pass(scaled, cost, problem.offsets, order, LARGEST, lower, upper, theta, gathered)
            now = result_of(problem, limits.clipped(gathered / (done * lists) / spread))
            best = min(best, now, key=lambda result: result.loss)
            advance(1)
    return best


def _costs(problem: TuningProblem, weights: np.ndarray) -> np.ndarray:
    """(H,) how much worse each hypothesis makes the text that `weights` choose; its typical range in a list is 1."""
    if problem.metric.linear:
        cost = problem.metric.sentence_loss(problem.statistics)
    else:
        sums = problem.statistics[problem.best(weights)].sum(axis=0)
        cost = scores(problem.statistics, derivative(problem.metric, sums))
    firsts = problem.offsets[:-1]
    typical = float(np.mean(np.maximum.reduceat(cost, firsts) - np.minimum.reduceat(cost, firsts)))
    return cost / (typical or 1.0)
