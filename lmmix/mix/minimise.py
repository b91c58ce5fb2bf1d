"""L-BFGS for smooth functions of some hundred numbers.

In NumPy alone: libraries of linear algebra that wake threads for vectors this short are many times slower when the
machine has other work, and how they add up depends on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MEMORY = 20
"""Steps whose curvature is remembered."""

DECREASE, CURVATURE = 1e-4, 0.9
"""The weak Wolfe conditions: so much of the decrease that the slope promises, and a slope so much flatter."""

TRIALS = 40
"""Steps tried on one line."""


@dataclass(frozen=True)
class Minimum:
    """Where the search ended.

    Attributes
    ----------
    x, gradient : (n,) float64
    value : float
    iterations : int
    """

    x: np.ndarray
    value: float
    gradient: np.ndarray
    iterations: int


Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


def minimise(
    function: Function,
    start: np.ndarray,
    *,
    max_iterations: int,
    slope: float,
    change: float,
    callback: Callable[[], None] = lambda: None,
) -> Minimum:
    """A local minimum of `function`, which gives value and gradient (Nocedal & Wright 2006, algorithm 7.5).

    Ends where no part of the gradient is above `slope`, where an iteration gains less than `change`, or where no step
    gains anything; `callback` is called after each iteration.
    """
    x, (value, gradient) = start, function(start)
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=MEMORY)
    iterations, gained = 0, np.inf
    while iterations < max_iterations and gained > change and np.abs(gradient).max(initial=0.0) > slope:
        direction = -_newton_step(gradient, pairs)
        length = 1.0 if pairs else min(1.0, 1.0 / float(np.linalg.norm(gradient)))
        found = _along(function, x, value, gradient, direction, length)
        if found is None:
            break
        step, new_value, new_gradient = found
        turn = new_gradient - gradient
        if (bend := float(step @ turn)) > 0:
            pairs.append((step, turn, 1.0 / bend))
        gained = value - new_value
        x, value, gradient = x + step, new_value, new_gradient
        iterations += 1
        callback()
    return Minimum(x, value, gradient, iterations)


def _newton_step(gradient: np.ndarray, pairs: deque[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """The inverse Hessian that the last steps suggest, times the gradient (the two-loop recursion)."""
    out = gradient.copy()
    parts = []
    for step, turn, inverse in reversed(pairs):
        parts.append(inverse * float(step @ out))
        out -= parts[-1] * turn
    if pairs:
        _, turn, inverse = pairs[-1]
        out /= inverse * float(turn @ turn)
    for (step, turn, inverse), part in zip(pairs, reversed(parts)):
        out += (part - inverse * float(turn @ out)) * step
    return out


def _along(
    function: Function, x: np.ndarray, value: float, gradient: np.ndarray, direction: np.ndarray, length: float
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """(step, value, gradient) at a point along `direction` that meets the weak Wolfe conditions, by bisection.

    If none does after `TRIALS` steps, the last one that was lower; None if there is none.
    """
    low, high = 0.0, np.inf
    promised = float(gradient @ direction)
    best = None
    for _ in range(TRIALS):
        step = length * direction
        new_value, new_gradient = function(x + step)
        if not new_value <= value + DECREASE * length * promised:
            high = length
        else:
            best = step, new_value, new_gradient
            if float(new_gradient @ direction) >= CURVATURE * promised:
                return best
            low = length
        length = 0.5 * (low + high) if np.isfinite(high) else 2.0 * low
    return best
