"""What a feature is worth: the least loss without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lmmix.nbest.tuning.line_search import descend
from lmmix.nbest.tuning.problem import Limits, TuningProblem


def without(problem: TuningProblem, feature: int, weights: np.ndarray, *, seed: int = 1) -> float:
    """The least loss with weight 0 for one feature (its number), whatever its limits, that a descent reaches.

    The descent is an exact line search from `weights` (F,), for a problem that they solve; it makes no restarts. What
    it reaches may be less than the loss of `weights` if these were not the best.
    """
    lower, upper, start = problem.limits.lower.copy(), problem.limits.upper.copy(), np.array(weights, np.float64)
    lower[feature] = upper[feature] = start[feature] = 0.0
    reduced = replace(problem, limits=Limits(lower, upper))
    return descend(reduced, start, np.random.default_rng(seed)).loss
