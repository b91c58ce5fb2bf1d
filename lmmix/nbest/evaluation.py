"""How good the chosen texts are, gathered block by block: first-best, chosen, oracle and worst."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lmmix.metrics.metric import Metric
from lmmix.metrics.significance import Comparison, Interval, Resampled, paired_randomisation, resampled
from lmmix.nbest.decide.decision import Decision
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.oracle import extreme


@dataclass(frozen=True)
class Gain:
    """What a metric says of chosen texts beside the recogniser's best.

    Attributes
    ----------
    metric : Metric
    first, chosen : (U, k) float64
        Statistics of the recogniser's best and of the chosen texts.
    """

    metric: Metric
    first: np.ndarray
    chosen: np.ndarray

    @cached_property
    def _drawn(self) -> Resampled:
        return resampled(self.metric, [self.first, self.chosen])

    @property
    def value(self) -> float:
        """The value of the chosen texts."""
        return float(self.metric.value(self.chosen.sum(axis=0)))

    @property
    def interval(self) -> Interval:
        """The value of the chosen texts, and how far it may be chance."""
        return self._drawn.interval(1)

    @cached_property
    def difference(self) -> Comparison:
        """The value of the chosen texts minus that of the recogniser's best, and how probable it is by chance.

        The interval is that of the bootstrap, p that of approximate randomisation: the paired bootstrap calls twice as
        many equal systems different as it says.
        """
        return replace(self._drawn.comparison(0, 1), p=paired_randomisation(self.metric, self.first, self.chosen))


@dataclass(frozen=True)
class Scores(Gain):
    """What a metric says of lists.

    Attributes
    ----------
    oracle, worst : (k,) float64
        Sums of the statistics of the best and the worst that could have been chosen; where the metric is not linear,
        of what comes near to them (see `oracle.extreme`).
    """

    oracle: np.ndarray
    worst: np.ndarray

    def values(self) -> dict[str, float]:
        """The values of the four texts by name."""
        sums = {
            "first": self.first.sum(axis=0),
            "": self.chosen.sum(axis=0),
            "oracle": self.oracle,
            "worst": self.worst,
        }
        return {name: float(self.metric.value(one)) for name, one in sums.items()}


def chosen_statistics(lists: NbestLists, metric: Metric, decision: Decision) -> np.ndarray:
    """(U, k) statistics of what was chosen: from the lists, or counted anew where the text is none of them."""
    chosen = lists.statistics(metric)[np.maximum(decision.best, 0)]
    for u in np.flatnonzero(decision.best < 0):
        chosen[u] = metric.statistics(lists.utterances[u].refs, [decision.texts[u]])[0]
    return chosen


class Evaluation:
    """Gathers the statistics of one metric. Memory grows by a few numbers an utterance only."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        width = len(metric.columns)
        self.first: list[np.ndarray] = []
        self.chosen: list[np.ndarray] = []
        self.oracle, self.worst = np.zeros(width), np.zeros(width)

    def add(self, lists: NbestLists, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        """Count a block of lists, which have references; returns statistics (U, k) of first and chosen texts."""
        statistics = lists.statistics(self.metric)
        self.first.append(statistics[lists.offsets[:-1]])
        self.chosen.append(chosen_statistics(lists, self.metric, decision))
        for sums, sign in ((self.oracle, 1), (self.worst, -1)):
            sums += statistics[extreme(self.metric, statistics, lists.offsets, sign, sums)].sum(axis=0)
        return self.first[-1], self.chosen[-1]

    def scores(self) -> Scores:
        """All that was counted."""
        return Scores(self.metric, np.concatenate(self.first), np.concatenate(self.chosen), self.oracle, self.worst)
