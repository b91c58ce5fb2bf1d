"""Feature weights that make the fewest errors: minimum error rate training with exact line search (Och 2003)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.nbest import _kernels as kernels
from lmmix.progress import task

ROUNDING = 1e-9
"""Relative width below which a stretch of the error surface is taken for a rounding error."""


@dataclass(frozen=True)
class TuneResult:
    """Weights (F,) and how many errors the hypotheses that they choose have."""

    weights: np.ndarray
    errors: int


@dataclass(frozen=True)
class _Task:
    """Features (H, F) scaled to like size, lists as bounds (U + 1,), errors (H,)."""

    features: np.ndarray
    bounds: np.ndarray
    utterance: np.ndarray
    errors: np.ndarray

    def errors_of(self, weights: np.ndarray) -> int:
        total = self.features @ weights
        best = np.lexsort((np.arange(len(total)), -total, self.utterance))[self.bounds[:-1]]
        return int(self.errors[best].sum())


def tune_weights(
    features: np.ndarray,
    offsets: np.ndarray,
    errors: np.ndarray,
    *,
    start: np.ndarray | None = None,
    restarts: int = 10,
    seed: int = 1,
) -> TuneResult:
    """Search the weights w for which the hypotheses with the highest w · features have the fewest errors.

    From `start` (by default every feature counts the same in a typical list) and from random points, weights move
    along every axis and along random directions, each time to the exact minimum on that line, until nothing
    improves.

    Parameters
    ----------
    features : (H, F) float64
    offsets : (U + 1,) int64
        The hypotheses of utterance u are offsets[u] … offsets[u + 1].
    errors : (H,) int64
        Errors of each hypothesis.
    restarts : int
        Random starts besides the given one.

    The weights are scaled so that the largest part that a feature has in a typical list is 1. Raises SettingError.
    """
    if restarts < 0:
        raise SettingError(f"restarts is {restarts}; it must be 0 or more")
    if seed < 0:
        raise SettingError(f"seed is {seed}; it must be 0 or more")
    utterance = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    # What all hypotheses of a list have in common changes nothing but the rounding.
    features = features - features[offsets[:-1]][utterance]
    spread = _spread(features, offsets)
    job = _Task(features / spread, offsets, utterance, errors)
    rng = np.random.default_rng(seed)
    first = np.ones(features.shape[1]) if start is None else start * spread
    points = [first, *rng.normal(size=(restarts, len(first)))]
    found = []
    with task("tuning", len(points)) as advance:
        for point in points:
            found.append(_descend(job, point, rng))
            advance(1)
    best = min(found, key=lambda result: result.errors)
    weights = best.weights / max(float(np.abs(best.weights).max()), 1e-300) / spread
    return TuneResult(weights, best.errors)


def _spread(features: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(F,) typical standard deviation of each feature inside a list; 1 where it never varies."""
    lists = [features[lo:hi].std(axis=0) for lo, hi in pairwise(offsets) if hi - lo > 1]
    spread = np.mean(lists, axis=0) if lists else np.ones(features.shape[1])
    return np.where(spread > 0, spread, 1.0)


def _descend(job: _Task, weights: np.ndarray, rng: np.random.Generator) -> TuneResult:
    """Line searches until a full round over the axes and as many random directions brings nothing."""
    now = job.errors_of(weights)
    improved = True
    while improved:
        improved = False
        size = len(weights)
        for direction in np.concatenate([np.eye(size), rng.normal(size=(size, size))]):
            candidate = weights + _best_step(job, weights, direction) * direction
            candidate /= max(float(np.abs(candidate).max()), 1e-300)
            errors = job.errors_of(candidate)
            if errors < now:
                weights, now, improved = candidate, errors, True
    return TuneResult(weights, now)


def _best_step(job: _Task, weights: np.ndarray, direction: np.ndarray) -> float:
    """The γ in the middle of the widest stretch with the fewest errors of weights + γ · direction."""
    gamma, errors = error_surface(job.features @ weights, job.features @ direction, job.bounds, job.errors)
    if not len(gamma):
        return 0.0
    # Stretches that reach to infinity end one unit behind the last step.
    edges = np.concatenate([[gamma[0] - 1.0], gamma, [gamma[-1] + 1.0]])
    width = np.diff(edges)
    # Lines that meet in one point may seem to meet in several, a rounding error apart.
    real = np.flatnonzero(width > ROUNDING * (1.0 + np.abs(edges[1:])))
    best = real[errors[real] == errors[real].min()]
    widest = best[int(np.argmax(width[best]))]
    return float(edges[widest] + edges[widest + 1]) / 2.0


def error_surface(
    offset: np.ndarray, slope: np.ndarray, bounds: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many errors the best hypotheses have when each one's score is offset + γ · slope.

    Returns (γ of the steps, ascending, (n,); errors before, between and behind them, (n + 1,)).
    """
    utterance = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    order = np.lexsort((np.arange(len(offset)), -offset, slope, utterance))
    gamma, change = np.empty(len(offset)), np.empty(len(offset), np.int64)
    first, steps = kernels._error_steps(offset, slope, order, bounds, errors, gamma, change)
    ascending = np.argsort(gamma[:steps], kind="stable")
    where, total = gamma[:steps][ascending], first + np.cumsum(change[:steps][ascending])
    # Steps at the same place are one step, and none if they cancel out.
    last = np.append(where[1:] != where[:-1], True)[:steps]
    where, total = where[last], total[last]
    changed = np.diff(total, prepend=first) != 0
    return where[changed], np.concatenate([[first], total[changed]])
