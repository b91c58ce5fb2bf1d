"""What each feature is worth on the lists at hand: the value of a metric for the highest sums without it."""

from __future__ import annotations

import numpy as np

from lmmix.metrics.metric import Metric
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.weights import Weights


class LeftOut:
    """Adds up the statistics of the hypotheses with the highest sums, of all features and of all but one."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._all = np.zeros(len(metric.columns))
        self._without: dict[str, np.ndarray] = {}

    def add(self, lists: NbestLists, weights: Weights, total: np.ndarray) -> None:
        """Count a block with its totals (H,)."""
        statistics = lists.statistics(self.metric)
        self._all += statistics[lists.best(total)].sum(axis=0)
        for name in weights.values:
            # Subtracting from the total would leave rounding errors where others tie.
            others = {other: weight for other, weight in weights.values.items() if other != name}
            best = lists.best(lists.totals(others))
            self._without[name] = self._without.get(name, 0.0) + statistics[best].sum(axis=0)

    def value(self) -> float:
        """The value of the metric with all features."""
        return float(self.metric.value(self._all))

    def values(self) -> dict[str, float]:
        """The value of the metric without each feature."""
        return {name: float(self.metric.value(sums)) for name, sums in self._without.items()}
