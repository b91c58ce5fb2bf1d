"""What each feature is worth on the lists at hand: the value of a metric when its weight is 0."""

from __future__ import annotations

import numpy as np

from lmmix.metrics.metric import Metric
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.weights import Weights


class LeftOut:
    """Adds up the statistics of the hypotheses with the highest sum without one feature, for each feature."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._sums: dict[str, np.ndarray] = {}

    def add(self, lists: NbestLists, weights: Weights, total: np.ndarray) -> None:
        """Count a block with its totals (H,)."""
        statistics = lists.statistics(self.metric)
        for name, weight in weights.values.items():
            best = lists.best(total - weight * lists.features[name])
            self._sums[name] = self._sums.get(name, 0.0) + statistics[best].sum(axis=0)

    def values(self) -> dict[str, float]:
        """The value of the metric without each feature."""
        return {name: float(self.metric.value(sums)) for name, sums in self._sums.items()}
