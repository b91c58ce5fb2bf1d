"""What the smooth ways of tuning share: parts in place of weights, the metric's derivative, and a minimiser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lmmix.metrics.metric import Metric, loss
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem

PRIOR = 1e-4
"""Weight of the squared parts beside an objective between 0 and 1: where lists can be told apart without error, weights
would grow for ever; this ends it at parts of about ten, where the posteriors are certain."""

OUTLIER = 10.0
"""Parts of a hypothesis farther than this from the median of its list are cut off: a probability of 0 is a certain one,
but how far below all others it stands says nothing, and would outweigh what hundreds of lists say."""

STEP = 1e-5
"""Relative step of numerical derivatives."""

ITERATIONS = 500
"""Most iterations of L-BFGS."""

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


def parts(problem: TuningProblem) -> np.ndarray:
    """(H, F) features, less their median in the list, divided by their spread, within ± OUTLIER; 0 where none varies.

    So nothing depends on the units of features.
    """
    starts, middle = problem.offsets[:-1], (np.diff(problem.offsets) - 1) // 2
    centred = np.empty_like(problem.features)
    for k, column in enumerate(problem.features.T):
        ascending = np.lexsort((column, problem.owner))
        centred[:, k] = column - column[ascending[starts + middle]][problem.owner]
    return np.where(problem.varies, np.clip(centred / problem.spread, -OUTLIER, OUTLIER), 0.0)


def scores(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """rows (H, n) @ vector (n,), added up in an order that does not depend on the threads of a library."""
    return np.einsum("hn,n->h", rows, vector)


def weighted_sum(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """weights (H,) @ rows (H, n), in the same manner."""
    return np.einsum("h,hn->n", weights, rows)


def derivative(metric: Metric, sums: np.ndarray) -> np.ndarray:
    """(k,) how the loss changes with each of the sums (k,) of counts: central differences.

    For a sum of 0 it is what the first one counted changes: below there is nothing, and close above BLEU jumps.
    """
    up = np.where(sums == 0, 1.0, STEP * np.abs(sums))
    down = np.where(sums == 0, 0.0, up)
    change = loss(metric, sums + np.diag(up)) - loss(metric, sums - np.diag(down))
    return change / (up + down)


def minimised(problem: TuningProblem, function: Function, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (F,) in a minimum of `function` plus the prior, from allowed `weights`, by L-BFGS-B; the value there.

    `function` gives value and gradient at parts (F,), weights times spread.
    """
    from scipy.optimize import minimize

    def with_prior(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = function(theta)
        return value + PRIOR / 2 * float(theta @ theta), gradient + PRIOR * theta

    limits = problem.limits
    bounds = np.stack([limits.lower * problem.spread, limits.upper * problem.spread], axis=1)
    found = minimize(
        with_prior,
        weights * problem.spread,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": ITERATIONS, "ftol": 1e-12, "gtol": 1e-7},
    )
    return limits.clipped(found.x / problem.spread), float(found.fun)


def result_of(problem: TuningProblem, weights: np.ndarray) -> TuneResult:
    """Weights (F,) and the loss of what they choose."""
    return TuneResult(weights, problem.loss(weights))
