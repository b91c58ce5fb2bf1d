"""Weights of a linear mixture by L-BFGS on the logits of the weights, to compare with EM."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from scipy.special import softmax

from lmmix.mix.events import MatrixEvents
from lmmix.mix.goal import Climb, Point, WeightsFit, check_tolerance, goal_for, start_weights
from lmmix.mix.minimise import minimise


class _GoodEnough(Exception):
    """Ends the search."""


def fit_lbfgs(
    logp: np.ndarray,
    *,
    counts: Sequence[float] | np.ndarray | None = None,
    prior: float | Sequence[float] | np.ndarray = 1.0,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    start: Sequence[float] | np.ndarray | None = None,
    threads: int | None = None,
) -> WeightsFit:
    """What `fit_em` finds, by L-BFGS in θ with w = softmax(θ); parameters, result and errors are those of `fit_em`.

    No weight is ever 0. Where the best weight of a member is 0, θ_k has to fall for
    ever, which makes the method slow to reach a small gap; other ways to weigh models need it all the same.
    """
    check_tolerance(tolerance)
    goal = goal_for(MatrixEvents(logp, counts, threads=threads), prior)
    first = start_weights(start, goal)
    climb = Climb(goal, goal.at(first))

    def loss(logits: np.ndarray) -> tuple[float, np.ndarray]:
        point = climb.at(softmax(logits))
        if point.value > climb.best.value or point.gap <= tolerance:
            climb.keep(point)
        if point.gap <= tolerance or climb.passes >= max_iterations:
            raise _GoodEnough
        return -point.value, -logit_gradient(point)

    if climb.best.gap > tolerance:
        with suppress(_GoodEnough):
            minimise(loss, np.log(first), max_iterations=max_iterations, slope=0.0, change=0.0)
    return climb.report(tolerance)


def logit_gradient(point: Point) -> np.ndarray:
    """(K,) the gradient of the goal in θ, where w = softmax(θ): w_k (G_k − Σ_j w_j G_j)."""
    return point.weights * (point.gradient - point.weights @ point.gradient)
