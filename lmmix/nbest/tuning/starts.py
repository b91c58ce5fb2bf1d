"""Where the search for weights begins."""

from __future__ import annotations

import numpy as np

from lmmix.nbest.tuning.problem import Limits, TuningProblem


def starts(problem: TuningProblem, restarts: int, seed: int) -> list[np.ndarray]:
    """1 + `restarts` allowed weights (F,): all features have the same part in a typical list, then random parts.

    Features that never vary get weight 0, or what is nearest to it. Beside fixed weights, the others begin with parts
    of their size.
    """
    limits, known = problem.limits, ~problem.limits.free & problem.varies
    size = float(np.abs(np.where(known, limits.clipped(np.zeros(len(known))) * problem.spread, 0.0)).max(initial=0.0))
    scale = (size or 1.0) / problem.spread
    rng = np.random.default_rng(seed)
    points = [scale]
    for _ in range(restarts):
        drawn, inside = rng.normal(size=len(scale)) * scale, rng.random(len(scale))
        boxed = np.isfinite(limits.lower) & np.isfinite(limits.upper)
        lower, upper = np.where(boxed, limits.lower, 0.0), np.where(boxed, limits.upper, 0.0)
        points.append(np.where(boxed, lower + inside * (upper - lower), drawn))
    return [limits.clipped(np.where(problem.varies, _reflected(limits, point), 0.0)) for point in points]


def _reflected(limits: Limits, weights: np.ndarray) -> np.ndarray:
    """Weights beyond a bound as far on its other side, so that they do not all begin on it."""
    weights = np.where(weights < limits.lower, 2 * limits.lower - weights, weights)
    return np.where(weights > limits.upper, 2 * limits.upper - weights, weights)
