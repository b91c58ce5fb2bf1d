"""The utterances that rescoring changed most, for better and for worse."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from lmmix.errors import SettingError
from lmmix.metrics.metric import Metric
from lmmix.nbest.decide.decision import Decision
from lmmix.nbest.lists import NbestLists


@dataclass(frozen=True)
class Change:
    """One utterance: what the recogniser had first, what was chosen, and by how much its loss fell (or rose).

    The loss is the number of errors for error rates and TER, else minus the value of the metric for this sentence.
    """

    id: str
    refs: tuple[str, ...]
    first: str
    chosen: str
    gain: float


class Changes:
    """Keeps the `n` utterances that gained most and the `n` that lost most, by the loss of single sentences."""

    def __init__(self, metric: Metric, n: int) -> None:
        if n < 0:
            raise SettingError(f"changes is {n}; it must be 0 or more")
        self.metric, self.n = metric, n
        self.better: list[Change] = []
        self.worse: list[Change] = []

    def add(self, lists: NbestLists, decision: Decision, first: np.ndarray, chosen: np.ndarray) -> None:
        """Look at a block: statistics (U, k) of the recogniser's best and of the chosen texts."""
        gain = self.metric.sentence_loss(first) - self.metric.sentence_loss(chosen)
        for u in np.flatnonzero(gain):
            one = lists.utterances[u]
            change = Change(one.id, one.refs, one.texts[0], decision.texts[u], float(gain[u]))
            (self.better if change.gain > 0 else self.worse).append(change)
        self.better = nlargest(self.n, self.better, key=lambda change: change.gain)
        self.worse = nlargest(self.n, self.worse, key=lambda change: -change.gain)
