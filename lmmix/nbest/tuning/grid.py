"""The loss over a grid of two weights, to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmmix.nbest.tuning.line_search import loss_surface
from lmmix.nbest.tuning.problem import TuningProblem


@dataclass(frozen=True)
class Surface:
    """The metric over the weights of two features, in the numbers in which values are shown.

    Attributes
    ----------
    metric : str
    higher_is_better : bool
    names : pair of str
        The two features.
    across, up : (n,), (m,) float64
        Weights of the first and of the second.
    values : (n, m) float64
        What the highest sums have with these weights.
    mark : pair of float
        The weights around which the surface is.
    marked : float
        The value there.
    """

    metric: str
    higher_is_better: bool
    names: tuple[str, str]
    across: np.ndarray
    up: np.ndarray
    values: np.ndarray
    mark: tuple[float, float]
    marked: float

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value that are told apart: one is the best of all, the other the median.

        Most weights far away are far worse, and none of them is of interest.
        """
        best = np.nanmax(self.values) if self.higher_is_better else np.nanmin(self.values)
        low, high = sorted((float(best), float(np.nanmedian(self.values))))
        return low, high


def surface(problem: TuningProblem, weights: np.ndarray, pair: tuple[int, int], size: int) -> Surface:
    """The surface around the weights (F,) over a pair of features, their numbers, with `size` points along each."""
    across, up = around(problem, weights, pair, size)
    metric = problem.metric
    shown = -metric.factor if metric.higher_is_better else metric.factor
    first, second = pair
    return Surface(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        names=(problem.names[first], problem.names[second]),
        across=across,
        up=up,
        values=shown * loss_grid(problem, weights, pair, (across, up)),
        mark=(float(weights[first]), float(weights[second])),
        marked=shown * problem.loss(weights),
    )


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
