"""What tuning sees: a matrix of features, the statistics of a metric, and what weights are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.metrics.metric import Metric, loss
from lmmix.nbest.lists import NbestLists


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

    @cached_property
    def owner(self) -> np.ndarray:
        """(H,) int64: the utterance of each hypothesis."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def best(self, weights: np.ndarray) -> np.ndarray:
        """(U,) int64: the hypothesis that the weights (F,) choose in each list, the first of equals."""
        total = self.features @ weights
        return np.array([lo + int(np.argmax(total[lo:hi])) for lo, hi in pairwise(self.offsets)], np.int64)

    def loss(self, weights: np.ndarray) -> float:
        """The loss of the hypotheses that the weights (F,) choose."""
        return float(loss(self.metric, self.statistics[self.best(weights)].sum(axis=0)))

    def part(self, utterances: np.ndarray) -> TuningProblem:
        """The problem of some utterances only: indices, ascending."""
        sizes = np.diff(self.offsets)[utterances]
        rows = np.concatenate([np.arange(self.offsets[u], self.offsets[u + 1]) for u in utterances])
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        return TuningProblem(self.names, self.features[rows], offsets, self.statistics[rows], self.metric, self.limits)


def tuning_problem(
    lists: NbestLists, names: Sequence[str], metric: Metric, limits: Limits | None = None
) -> TuningProblem:
    """The problem of finding weights for the features called `names`. Raises InputError, SettingError without any."""
    if not names:
        raise SettingError("there is nothing to weigh: the lists have no scores; give a language model (--lm)")
    features = lists.matrix(names)
    # What all hypotheses of a list have in common changes nothing but the rounding.
    features = features - features[lists.offsets[:-1]][lists.owner]
    return TuningProblem(
        tuple(names), features, lists.offsets, lists.statistics(metric), metric, limits or no_limits(len(names))
    )


@dataclass(frozen=True)
class TuneResult:
    """Weights (F,) and the loss of the hypotheses that they choose."""

    weights: np.ndarray
    loss: float
