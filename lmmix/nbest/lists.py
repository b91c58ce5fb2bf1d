"""n-best lists of many utterances as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np

from lmmix.errors import InputError
from lmmix.metrics.metric import Metric
from lmmix.nbest.utterance import Utterance

BLOCK = 50_000
"""Hypotheses that are worked on at a time where lists are streamed."""


@dataclass
class NbestLists:
    """n-best lists of U utterances with H hypotheses in all.

    Attributes
    ----------
    utterances : list of U Utterance
    offsets : (U + 1,) int64
        The hypotheses of utterance u are offsets[u] … offsets[u + 1], the recogniser's best first.
    texts : list of H str
    features : dict of name to (H,) float64
        The recogniser's scores and whatever has been added.
    """

    utterances: list[Utterance]
    offsets: np.ndarray = field(init=False)
    texts: list[str] = field(init=False)
    features: dict[str, np.ndarray] = field(init=False)
    _statistics: dict[str, np.ndarray] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.offsets = np.cumsum([0, *(len(one.texts) for one in self.utterances)], dtype=np.int64)
        self.texts = list(chain.from_iterable(one.texts for one in self.utterances))
        names = self.utterances[0].scores if self.utterances else {}
        self.features = {name: self._joined(name) for name in names}

    def _joined(self, name: str) -> np.ndarray:
        values = chain.from_iterable(one.scores[name] for one in self.utterances)
        return np.fromiter(values, np.float64, len(self.texts))

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def owner(self) -> np.ndarray:
        """(H,) int64: the utterance of each hypothesis."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def has_references(self) -> bool:
        """Whether every utterance has a reference."""
        return all(one.refs for one in self.utterances)

    def check_references(self) -> None:
        """Raise InputError naming an utterance that has no reference."""
        for one in self.utterances:
            if not one.refs:
                raise InputError(f"utterance {one.id!r} has no reference: put one into the list or give --ref FILE")

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """(H, F) the features called `names`; raises InputError for one that is not there."""
        for name in names:
            if name not in self.features:
                raise InputError(f"the n-best list has no score {name!r}; it has {', '.join(self.features) or 'none'}")
        columns = [self.features[name] for name in names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.texts), 0))

    def statistics(self, metric: Metric) -> np.ndarray:
        """(H, k) the statistics of each hypothesis, computed once. Raises InputError without references."""
        if metric.signature not in self._statistics:
            self.check_references()
            parts = [metric.statistics(one.refs, one.texts) for one in self.utterances]
            self._statistics[metric.signature] = np.concatenate(parts)
        return self._statistics[metric.signature]

    def best(self, total: np.ndarray) -> np.ndarray:
        """(U,) int64: the hypothesis with the highest of `total` (H,) in each list, the first of equals."""
        return np.array([lo + int(np.argmax(total[lo:hi])) for lo, hi in pairwise(self.offsets)], np.int64)

    def added(self, utterance: int) -> dict[str, np.ndarray]:
        """The features of the hypotheses of one utterance that are none of the recogniser's scores."""
        lo, hi = self.offsets[utterance], self.offsets[utterance + 1]
        own = self.utterances[utterance].scores
        return {name: values[lo:hi] for name, values in self.features.items() if name not in own}


def blocks(utterances: Iterable[Utterance], hypotheses: int = BLOCK) -> Iterator[NbestLists]:
    """The lists in blocks of at least so many hypotheses, but for the last."""
    waiting: list[Utterance] = []
    count = 0
    for utterance in utterances:
        waiting.append(utterance)
        count += len(utterance.texts)
        if count >= hypotheses:
            yield NbestLists(waiting)
            waiting, count = [], 0
    if waiting:
        yield NbestLists(waiting)
