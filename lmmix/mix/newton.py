"""Weights of a linear mixture by Newton's method on the simplex, to compare with EM.

Sequential quadratic programming with the exact Hessian (Kim, Carbonetto, Stephens & Anitescu 2020, "mix-SQP"): a few
passes, each of which costs K times as much as one of EM.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.mix.events import MatrixEvents
from lmmix.mix.goal import Climb, Point, WeightsFit, check_tolerance, goal_for, start_weights
from lmmix.mix.simplex import nearest_on_simplex

ENOUGH = 0.01
"""A step is kept if it gains at least this part of what the gradient promises (Armijo)."""

HALVINGS = 40
ROUNDING = 1e-13
"""Likelihoods that differ by less, relatively, cannot be told apart; the gap can."""

INTERIOR = 0.99
"""How far a step goes at most towards a weight of 0 that a prior forbids."""


def fit_newton(
    logp: np.ndarray,
    *,
    counts: Sequence[float] | np.ndarray | None = None,
    prior: float | Sequence[float] | np.ndarray = 1.0,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
    start: Sequence[float] | np.ndarray | None = None,
    threads: int | None = None,
) -> WeightsFit:
    """What `fit_em` finds, by Newton's method; parameters, result and errors are those of `fit_em`."""
    check_tolerance(tolerance)
    goal = goal_for(MatrixEvents(logp, counts, threads=threads), prior)
    climb = Climb(goal, goal.at(start_weights(start, goal)))
    newton(climb, tolerance, max_iterations)
    return climb.report(tolerance)


def newton(climb: Climb, tolerance: float, max_passes: int) -> None:
    """Newton steps from where `climb` is, to a gap of `tolerance` or as far as they help."""
    while climb.best.gap > tolerance and climb.passes < max_passes:
        # EM does not ask for the Hessian, nor does a step that was kept at once need another pass for it.
        if not climb.best.hessian.any():
            climb.best = climb.at(climb.best.weights, curvature=True)
        if not _step(climb):
            return


def _step(climb: Climb) -> bool:
    """Towards the best weights of the quadratic model, halved until it is worth it; whether it ever is."""
    now = climb.best
    direction = _newton_point(now) - now.weights
    slope = float(now.gradient @ direction)
    length = _longest(now.weights, direction, climb.goal.prior > 0)
    for _ in range(HALVINGS):
        weights = np.maximum(now.weights + length * direction, 0.0)
        tried = climb.at(weights / weights.sum(), curvature=True)
        nearer = tried.gap < now.gap / 2 and tried.value >= now.value - ROUNDING * abs(now.value)
        if nearer or tried.value >= now.value + ENOUGH * length * slope:
            climb.keep(tried)
            return True
        length /= 2
    return False


def _newton_point(now: Point) -> np.ndarray:
    """The maximum on the simplex of F(w) + Gᵀ(x − w) − ½ (x − w)ᵀH(x − w).

    G = Hw, here and with a prior: the sum over events of r_k (r·w) with r·w = 1 is that of r_k, and the prior adds
    b_k / w_k² · w_k to one and b_k / w_k to the other. So it is the x for which (x − 2w)ᵀH(x − 2w) is least.
    """
    return nearest_on_simplex(now.hessian, 2 * now.hessian @ now.weights)


def _longest(weights: np.ndarray, direction: np.ndarray, forbidden: np.ndarray) -> float:
    """The part of a step, at most 1, that leaves the weights `forbidden` to be 0 above it."""
    falling = forbidden & (direction < 0)
    if not falling.any():
        return 1.0
    return min(1.0, INTERIOR * float((weights[falling] / -direction[falling]).min()))
