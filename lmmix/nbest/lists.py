"""n-best lists of many utterances as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

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

    Raises InputError for a list without hypotheses, and for lists whose scores are not the same.
    """

    utterances: list[Utterance]
    offsets: np.ndarray = field(init=False)
    texts: list[str] = field(init=False)
    features: dict[str, np.ndarray] = field(init=False)
    _statistics: dict[str, np.ndarray] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        names = self.utterances[0].scores.keys() if self.utterances else set()
        for one in self.utterances:
            _check(one, names)
        self.offsets = np.cumsum([0, *(len(one.texts) for one in self.utterances)], dtype=np.int64)
        self.texts = list(chain.from_iterable(one.texts for one in self.utterances))
        self.features = {name: self._joined(name) for name in (self.utterances[0].scores if self.utterances else ())}

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

    def feature(self, name: str) -> np.ndarray:
        """(H,) the feature called `name`; raises InputError if it is not there."""
        if name not in self.features:
            raise InputError(f"the n-best list has no score {name!r}; it has {', '.join(self.features) or 'none'}")
        return self.features[name]

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """(H, F) the features called `names`; raises InputError for one that is not there."""
        columns = [self.feature(name) for name in names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.texts), 0))

    def totals(self, weights: Mapping[str, float]) -> np.ndarray:
        """(H,) the weighted sums of features. Raises InputError for one that is not there, and beyond what floats hold.

        They are added one after the other in the order of `weights`, so hypotheses with equal features have equal sums
        wherever they stand, which a product of matrices does not promise.
        """
        total = np.zeros(len(self.texts))
        with np.errstate(over="ignore", invalid="ignore"):
            for name, weight in weights.items():
                total += weight * self.feature(name)
        if not np.isfinite(total).all():
            one = self.utterances[int(self.owner[np.flatnonzero(~np.isfinite(total))[0]])]
            raise InputError(
                f"utterance {one.id!r}: a weighted sum is not finite: a score is not, or weights are too large"
            )
        return total

    def statistics(self, metric: Metric) -> np.ndarray:
        """(H, k) the statistics of each hypothesis, computed once. Raises InputError without references."""
        if metric.signature not in self._statistics:
            self.check_references()
            parts = [_statistics_of(one, metric) for one in self.utterances]
            self._statistics[metric.signature] = np.concatenate([np.zeros((0, len(metric.columns))), *parts])
        return self._statistics[metric.signature]

    def best(self, total: np.ndarray) -> np.ndarray:
        """(U,) int64: the hypothesis with the highest of `total` (H,) in each list, the first of equals."""
        return first_highest(total, self.offsets)

    def part(self, utterances: np.ndarray) -> NbestLists:
        """The lists of some utterances only (indices), with their features."""
        rows = np.concatenate([np.arange(self.offsets[u], self.offsets[u + 1]) for u in utterances])
        chosen = NbestLists([self.utterances[u] for u in utterances])
        chosen.features = {name: values[rows] for name, values in self.features.items()}
        chosen._statistics = {name: values[rows] for name, values in self._statistics.items()}
        return chosen

    def added(self, utterance: int) -> dict[str, np.ndarray]:
        """The features of the hypotheses of one utterance that are none of the recogniser's scores."""
        lo, hi = self.offsets[utterance], self.offsets[utterance + 1]
        own = self.utterances[utterance].scores
        return {name: values[lo:hi] for name, values in self.features.items() if name not in own}


def first_highest(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(U,) int64: the place of the highest of the finite `values` (H,) in each list, the first of equals."""
    starts = offsets[:-1]
    if not len(starts):
        return np.zeros(0, np.int64)
    highest = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, starts), np.diff(offsets)))
    return highest[np.searchsorted(highest, starts)]


def _check(one: Utterance, names: Set[str]) -> None:
    """Raise InputError unless an utterance has hypotheses, all with the scores `names`."""
    if not one.texts:
        raise InputError(f"utterance {one.id!r} has no hypotheses")
    if one.scores.keys() != names:
        theirs, ours = (", ".join(found) or "none" for found in (one.scores, names))
        raise InputError(
            f"utterance {one.id!r} has the scores {theirs}, the first one has {ours}; all must have the same"
        )
    for name, values in one.scores.items():
        if len(values) != len(one.texts):
            raise InputError(f"utterance {one.id!r}: {len(one.texts)} hypotheses have {len(values)} scores {name!r}")


def _statistics_of(one: Utterance, metric: Metric) -> np.ndarray:
    """(n, k) the statistics of the hypotheses of one list; equal texts are counted once."""
    place = {text: i for i, text in enumerate(dict.fromkeys(one.texts))}
    return metric.statistics(one.refs, list(place))[[place[text] for text in one.texts]]


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
