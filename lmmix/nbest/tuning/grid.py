"""The loss over a grid of two weights, to look at."""

from __future__ import annotations

import numpy as np

from lmmix.nbest.tuning.line_search import loss_surface
from lmmix.nbest.tuning.problem import TuningProblem


def loss_grid(
    problem: TuningProblem, weights: np.ndarray, features: tuple[int, int], values: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(n, m) losses where the two `features` (their numbers) have the weights `values` (n,), (m,).

    The other weights are those of `weights` (F,). Each row is one exact surface along the second weight.
    """
    first, second = features
    direction = np.zeros(len(weights))
    direction[second] = 1.0
    rows = []
    for value in values[0]:
        point = np.array(weights, np.float64)
        point[first], point[second] = value, 0.0
        gamma, surface = loss_surface(problem, point, direction)
        rows.append(surface[np.searchsorted(gamma, values[1])])
    return np.array(rows)


def heaviest(problem: TuningProblem, weights: np.ndarray) -> tuple[int, int]:
    """The numbers of the two features that have the largest parts under `weights` (F,), weight times spread."""
    first, second = np.argsort(-np.abs(weights * problem.spread), kind="stable")[:2]
    return int(first), int(second)


def around(problem: TuningProblem, weights: np.ndarray, features: tuple[int, int], size: int) -> list[np.ndarray]:
    """Two times (size,) values around the weights of two features, as far as one and a half of the larger part."""
    pair = list(features)
    largest = float(np.abs(weights * problem.spread)[pair].max())
    reach = 1.5 * (largest or 1.0) / problem.spread[pair]
    return [np.linspace(weights[k] - far, weights[k] + far, size) for k, far in zip(pair, reach)]
