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

HALVINGS = 4
ROUNDING = 1e-13
"""Likelihoods that differ by less, relatively, cannot be told apart; the gap can."""

LEAST_PART = 1e-3
"""What a step leaves of a weight at least: at 0, an event that only this member knows would be impossible."""


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
    """Newton steps from where `climb` is, to a gap of `tolerance`."""
    while climb.best.gap > tolerance and climb.passes < max_passes:
        # EM does not ask for the Hessian.
        if not climb.best.hessian.any():
            climb.best = climb.at(climb.best.weights, curvature=True)
        climb.keep(_step(climb))


def _step(climb: Climb) -> Point:
    """Towards the best weights of the quadratic model, halved until it is worth it; a step of EM if it never is."""
    now = climb.best
    target = np.maximum(_newton_point(now), LEAST_PART * now.weights)
    direction = target / target.sum() - now.weights
    slope = float(now.gradient @ direction)
    for halving in range(HALVINGS):
        length = 0.5**halving
        tried = climb.at(now.weights + length * direction, curvature=True)
        nearer = tried.gap < now.gap / 2 and tried.value >= now.value - ROUNDING * abs(now.value)
        if nearer or tried.value >= now.value + ENOUGH * length * slope:
            return tried
    return climb.at(now.em_step, curvature=True)


def _newton_point(now: Point) -> np.ndarray:
    """The maximum on the simplex of F(w) + Gᵀ(x − w) − ½ (x − w)ᵀH(x − w).

    G = Hw, here and with a prior: the sum over events of r_k (r·w) with r·w = 1 is that of r_k, and the prior adds
    b_k / w_k² · w_k to one and b_k / w_k to the other. So it is the x for which (x − 2w)ᵀH(x − 2w) is least.
    """
    return nearest_on_simplex(now.hessian, 2 * now.hessian @ now.weights)
