"""Feature weights that make the least loss: minimum error rate training with exact line search (Och 2003)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.metrics.metric import loss
from lmmix.nbest.tuning import _kernels as kernels
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem
from lmmix.progress import task

ROUNDING = 1e-9
"""Relative width below which a stretch of the error surface is taken for a rounding error."""


def line_search(problem: TuningProblem, *, restarts: int = 20, seed: int = 1) -> TuneResult:
    """Search the weights of the least loss.

    From weights with which every feature counts the same in a typical list, and from random points, weights move
    along every axis and along random directions, each time to the exact minimum on that line, until nothing
    improves. The weights are scaled so that the largest part that a feature has in a typical list is 1.

    Parameters
    ----------
    problem : TuningProblem
    restarts : int
        Random starts besides the given one.
    seed : int

    Raises SettingError.
    """
    if restarts < 0:
        raise SettingError(f"restarts is {restarts}; it must be 0 or more")
    if seed < 0:
        raise SettingError(f"seed is {seed}; it must be 0 or more")
    spread = _spread(problem)
    scaled = TuningProblem(
        problem.names, problem.features / spread, problem.offsets, problem.statistics, problem.metric, problem.limits
    )
    rng = np.random.default_rng(seed)
    size = len(problem.names)
    found = []
    with task("tuning", restarts + 1) as advance:
        for point in [np.ones(size), *rng.normal(size=(restarts, size))]:
            found.append(_descend(scaled, point, rng))
            advance(1)
    best = min(found, key=lambda result: result.loss)
    weights = best.weights / max(float(np.abs(best.weights).max()), 1e-300) / spread
    return TuneResult(weights, best.loss)


def _spread(problem: TuningProblem) -> np.ndarray:
    """(F,) typical standard deviation of each feature inside a list; 1 where it never varies."""
    lists = [problem.features[lo:hi].std(axis=0) for lo, hi in pairwise(problem.offsets) if hi - lo > 1]
    spread = np.mean(lists, axis=0) if lists else np.ones(len(problem.names))
    return np.where(spread > 0, spread, 1.0)


def _descend(problem: TuningProblem, weights: np.ndarray, rng: np.random.Generator) -> TuneResult:
    """Line searches until a full round over the axes and as many random directions brings nothing."""
    now = problem.loss(weights)
    improved = True
    while improved:
        improved = False
        size = len(weights)
        for direction in np.concatenate([np.eye(size), rng.normal(size=(size, size))]):
            candidate = weights + _best_step(problem, weights, direction) * direction
            candidate /= max(float(np.abs(candidate).max()), 1e-300)
            reached = problem.loss(candidate)
            if reached < now:
                weights, now, improved = candidate, reached, True
    return TuneResult(weights, now)


def _best_step(problem: TuningProblem, weights: np.ndarray, direction: np.ndarray) -> float:
    """The γ in the middle of the widest stretch with the least loss of weights + γ · direction."""
    gamma, surface = loss_surface(problem, weights, direction)
    if not len(gamma):
        return 0.0
    # Stretches that reach to infinity end one unit behind the last step.
    edges = np.concatenate([[gamma[0] - 1.0], gamma, [gamma[-1] + 1.0]])
    width = np.diff(edges)
    # Lines that meet in one point may seem to meet in several, a rounding error apart.
    real = np.flatnonzero(width > ROUNDING * (1.0 + np.abs(edges[1:])))
    best = real[surface[real] == surface[real].min()]
    widest = best[int(np.argmax(width[best]))]
    return float(edges[widest] + edges[widest + 1]) / 2.0


def loss_surface(problem: TuningProblem, weights: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss of the best hypotheses under the weights + γ · direction, for all γ.

    Returns (γ of the steps, ascending, (n,); loss before, between and behind them, (n + 1,)).
    """
    offset, slope = problem.features @ weights, problem.features @ direction
    order = np.lexsort((np.arange(len(offset)), -offset, slope, problem.owner))
    first = np.empty(len(problem.offsets) - 1, np.int64)
    gamma = np.empty(len(offset))
    before, after = np.empty(len(offset), np.int64), np.empty(len(offset), np.int64)
    n = kernels._changes(offset, slope, order, problem.offsets, first, gamma, before, after)
    ascending = np.argsort(gamma[:n], kind="stable")
    where = gamma[:n][ascending]
    change = (problem.statistics[after[:n]] - problem.statistics[before[:n]])[ascending]
    sums = problem.statistics[first].sum(axis=0) + np.cumsum(change, axis=0)
    # Changes at the same place are one step.
    last = np.append(where[1:] != where[:-1], True)[:n]
    sums = np.concatenate([problem.statistics[first].sum(axis=0)[None], sums[last]])
    return where[last], loss(problem.metric, sums)
