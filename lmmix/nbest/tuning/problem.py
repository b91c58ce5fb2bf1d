"""What tuning sees: a matrix of features, the statistics of a metric, and what weights are allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.metrics.metric import Metric, loss
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.tuning import _kernels as kernels

UNITS = 1e-290, 1e290
"""Between what the spread of a feature must lie, so that weights, which are its inverse times a part, are numbers."""


@dataclass(frozen=True)
class Limits:
    """What the weights of F features may be.

    Attributes
    ----------
    lower, upper : (F,) float64
        Bounds, −∞ and ∞ where there is none; equal for a weight that is fixed.
    """

    lower: np.ndarray
    upper: np.ndarray

    @property
    def free(self) -> np.ndarray:
        """(F,) bool: whether there is anything to find."""
        return self.lower < self.upper

    @property
    def scalable(self) -> bool:
        """Whether weights may be multiplied by any positive number: all bounds are 0 or infinite."""
        ends = np.concatenate([self.lower, self.upper])
        return bool(np.all((ends == 0) | np.isinf(ends)))

    def clipped(self, weights: np.ndarray) -> np.ndarray:
        """The nearest weights that are allowed."""
        return np.clip(weights, self.lower, self.upper)

    def span(self, weights: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
        """The least and the largest γ for which weights + γ · direction is allowed; `weights` is."""
        moved = direction != 0
        ends = np.stack([self.lower - weights, self.upper - weights])[:, moved] / direction[moved]
        return float(ends.min(axis=0).max(initial=-np.inf)), float(ends.max(axis=0).min(initial=np.inf))


def no_limits(features: int) -> Limits:
    """Any weight for each of F features."""
    return Limits(np.full(features, -np.inf), np.full(features, np.inf))


@dataclass(frozen=True)
class TuningProblem:
    """Find weights w (F,) for which the hypotheses with the highest features @ w have the least loss.

    Attributes
    ----------
    names : tuple of F str
    features : (H, F) float64
    offsets : (U + 1,) int64
        The hypotheses of utterance u are offsets[u] … offsets[u + 1].
    statistics : (H, k) float64
        Of the metric, for each hypothesis.
    metric : Metric
    limits : Limits
    """

    names: tuple[str, ...]
    features: np.ndarray
    offsets: np.ndarray
    statistics: np.ndarray
    metric: Metric
    limits: Limits

    def __post_init__(self) -> None:
        for name, dtype in (("features", np.float64), ("offsets", np.int64), ("statistics", np.float64)):
            object.__setattr__(self, name, np.require(getattr(self, name), dtype, ["C", "W"]))

    @cached_property
    def owner(self) -> np.ndarray:
        """(H,) int64: the utterance of each hypothesis."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @cached_property
    def varies(self) -> np.ndarray:
        """(F,) bool: whether the feature differs inside any list; nothing can be said of the weight of others."""
        return np.any(self._differs, axis=0)

    @cached_property
    def _differs(self) -> np.ndarray:
        """(U, F) bool: whether the feature differs inside the list."""
        starts = self.offsets[:-1]
        return np.maximum.reduceat(self.features, starts) > np.minimum.reduceat(self.features, starts)

    @cached_property
    def movable(self) -> np.ndarray:
        """(F,) bool: weights that are to be found."""
        return self.limits.free & self.varies

    @cached_property
    def spread(self) -> np.ndarray:
        """(F,) median, over the lists in which a feature differs, of its standard deviation; 1 where it never does.

        A weight times it is the *part* of the feature, a number without unit. It is the median because one hypothesis
        of probability 0 deviates more than all others of hundreds of lists.
        """
        starts, sizes = self.offsets[:-1], np.diff(self.offsets)[:, None]
        centred = self.features - (np.add.reduceat(self.features, starts) / sizes)[self.owner]
        # The squares of tiny and of huge numbers are none.
        largest = np.maximum.reduceat(np.abs(centred), starts)
        unit = np.where(largest > 0, largest, 1.0)
        deviations = unit * np.sqrt(np.add.reduceat((centred / unit[self.owner]) ** 2, starts) / sizes)
        columns = zip(deviations.T, self._differs.T)
        return np.array([np.median(column[differs]) if differs.any() else 1.0 for column, differs in columns])

    def best(self, weights: np.ndarray) -> np.ndarray:
        """(U,) int64: the hypothesis that the weights (F,) choose in each list, the first of equals."""
        best = np.empty(len(self.offsets) - 1, np.int64)
        kernels._choose(self.features, np.require(weights, np.float64, ["C", "W"]), self.offsets, best)
        return best

    def loss(self, weights: np.ndarray) -> float:
        """The loss of the hypotheses that the weights (F,) choose."""
        return float(loss(self.metric, self.statistics[self.best(weights)].sum(axis=0)))

    @property
    def has_value(self) -> bool:
        """Whether the metric has a value on these lists: not for error rates of empty references."""
        return math.isfinite(self.loss(np.zeros(len(self.names))))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The losses of the best hypotheses of each list by themselves, and of the worst."""
        alone = self.metric.sentence_loss(self.statistics)
        order = np.lexsort((alone, self.owner))
        best, worst = order[self.offsets[:-1]], order[self.offsets[1:] - 1]
        sums = np.stack([self.statistics[best].sum(axis=0), self.statistics[worst].sum(axis=0)])
        low, high = loss(self.metric, sums)
        return float(low), float(high)

    def part(self, utterances: np.ndarray) -> TuningProblem:
        """The problem of some utterances only: indices, ascending."""
        sizes = np.diff(self.offsets)[utterances]
        rows = np.concatenate([np.arange(self.offsets[u], self.offsets[u + 1]) for u in utterances])
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        return TuningProblem(self.names, self.features[rows], offsets, self.statistics[rows], self.metric, self.limits)


def tuning_problem(
    lists: NbestLists, names: Sequence[str], metric: Metric, limits: Limits | None = None
) -> TuningProblem:
    """The problem of finding weights for the features called `names`.

    Raises InputError for features that are no finite numbers or in units that are not fit for numbers, SettingError
    without any feature.
    """
    if not names:
        raise SettingError("there is nothing to weigh: the lists have no scores; give a language model (--lm)")
    features = lists.matrix(names)
    # What all hypotheses of a list have in common changes nothing but the rounding.
    with np.errstate(over="ignore", invalid="ignore"):
        features = features - features[lists.offsets[:-1]][lists.owner]
    for name, column in zip(names, features.T):
        if not np.isfinite(column).all():
            one = lists.utterances[int(lists.owner[np.flatnonzero(~np.isfinite(column))[0]])]
            raise InputError(
                f"utterance {one.id!r}: {name!r} is not finite, or too large: no weight can be found for it"
            )
    problem = TuningProblem(
        tuple(names), features, lists.offsets, lists.statistics(metric), metric, limits or no_limits(len(names))
    )
    for name, spread in zip(names, problem.spread):
        if not UNITS[0] < spread < UNITS[1]:
            raise InputError(f"{name!r} differs by about {spread:.3g} inside a list: bring it to a unit nearer to 1")
    return problem


@dataclass(frozen=True)
class TuneResult:
    """What was found.

    Attributes
    ----------
    weights : (F,) float64
    loss : float
        Of the hypotheses that they choose.
    held_out : (U, k) float64 or None
        Statistics of what is chosen with weights found on the lists of other folds; None without cross-validation.
    fold_weights : (K, F) float64 or None
        The weights of each fold, found on all others.
    """

    weights: np.ndarray
    loss: float
    held_out: np.ndarray | None = None
    fold_weights: np.ndarray | None = None
