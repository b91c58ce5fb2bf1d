"""Feature weights that make the least loss: minimum error rate training with exact line search (Och 2003)."""

from __future__ import annotations

import numpy as np

from lmmix.metrics.metric import loss
from lmmix.nbest.tuning import _kernels as kernels
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem
from lmmix.nbest.tuning.starts import starts
from lmmix.parallel import thread_map
from lmmix.progress import task

NARROWEST = 1e-9
"""Relative width below which a stretch of the error surface is taken for a rounding error."""


def line_search(problem: TuningProblem, *, restarts: int = 20, seed: int = 1) -> TuneResult:
    """Search the weights of the least loss.

    From weights with which every feature counts the same in a typical list, and from random points, weights move
    along every axis and along random directions, each time to the exact minimum on that line, until nothing
    improves. Where limits allow it, weights are scaled so that the largest part that a feature has in a typical list
    is 1.

    Parameters
    ----------
    problem : TuningProblem
    restarts : int
        Random starts besides the given one.
    seed : int
    """
    # Each start has random numbers of its own, so it does not matter which thread takes it.
    points = list(enumerate(starts(problem, restarts, seed)))
    with task("tuning", len(points)) as advance:

        def search(start: tuple[int, np.ndarray]) -> TuneResult:
            number, point = start
            found = descend(problem, point, np.random.default_rng([seed, number]))
            advance(1)
            return found

        return min(thread_map(search, points, None), key=lambda result: result.loss)


def descend(problem: TuningProblem, weights: np.ndarray, rng: np.random.Generator) -> TuneResult:
    """Line searches from allowed `weights` (F,) until a round over the axes and random directions brings nothing.

    Each round also tries to do without each feature: at exactly 0 others may tie, and the first of them be the best.
    """
    now = TuneResult(weights, problem.loss(weights))
    while True:
        before = now.loss
        for direction in _directions(problem, rng):
            step, promised = _best_step(problem, now.weights, direction)
            if promised < now.loss:
                now = _better(problem, now, now.weights + step * direction)
        for k in np.flatnonzero(problem.movable):
            fewer = now.weights.copy()
            fewer[k] = 0.0
            if fewer.any():
                now = _better(problem, now, fewer)
        if not now.loss < before:
            return now


def _better(problem: TuningProblem, now: TuneResult, weights: np.ndarray) -> TuneResult:
    """What has less loss: `now`, or `weights` (F,) put into the limits and scaled if they may be."""
    weights = problem.limits.clipped(weights)
    if problem.limits.scalable:
        # The largest part is 1.
        weights = weights / max(float(np.abs(weights * problem.spread).max()), 1e-300)
    reached = problem.loss(weights)
    return TuneResult(weights, reached) if reached < now.loss else now


def _directions(problem: TuningProblem, rng: np.random.Generator) -> np.ndarray:
    """(2 M, F): the axes of the M weights that may move and as many random directions, in units of the features."""
    axes = np.eye(len(problem.names))[problem.movable]
    return np.concatenate([axes, rng.normal(size=axes.shape) * problem.movable]) / problem.spread


def _best_step(problem: TuningProblem, weights: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """The γ in the middle of the widest allowed stretch with the least loss of weights + γ · direction; that loss."""
    gamma, surface = loss_surface(problem, weights, direction)
    low, high = problem.limits.span(weights, direction)
    if not len(gamma):
        return 0.0, float(surface[0])
    # Stretches that reach to infinity end behind the last step, wide enough not to be taken for a rounding error.
    first, last = gamma[0] - max(1.0, abs(gamma[0])), gamma[-1] + max(1.0, abs(gamma[-1]))
    edges = np.clip(np.concatenate([[first], gamma, [last]]), low, high)
    width = np.diff(edges)
    # Lines that meet in one point may seem to meet in several, a rounding error apart.
    real = np.flatnonzero(width > NARROWEST * (1.0 + np.abs(edges[1:])))
    if not len(real):
        return 0.0, np.inf
    best = real[surface[real] == surface[real].min()]
    widest = best[int(np.argmax(width[best]))]
    return float(edges[widest] + edges[widest + 1]) / 2.0, float(surface[widest])


def loss_surface(problem: TuningProblem, weights: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss of the best hypotheses under the weights + γ · direction, for all γ.

    Returns (γ of the steps, ascending, (n,); loss before, between and behind them, (n + 1,)).
    """
    size, width = problem.statistics.shape
    gamma, change, sums = np.empty(size), np.empty((size, width)), np.empty(width)
    n = kernels._changes(problem.features, weights, direction, problem.statistics, problem.offsets, gamma, change, sums)
    ascending = np.argsort(gamma[:n], kind="stable")
    where = gamma[:n][ascending]
    # Changes at the same place are one step.
    last = np.append(where[1:] != where[:-1], True)[:n]
    after = sums + np.cumsum(change[:n][ascending], axis=0)[last]
    return where[last], loss(problem.metric, np.concatenate([sums[None], after]))
