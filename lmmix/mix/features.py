"""Features of histories for gates: each kind turns numbers of `Histories` into columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lmmix.errors import SettingError
from lmmix.mix.histories import Histories

LONGEST = 5
"""Contexts of more words than that are one class."""

LEAST_COUNT = 0.5
"""What a history counts that was never seen: without anything, whoever saw it once would get all the weight."""


class Column(NamedTuple):
    """One feature: its kind, the member that it is about, and the length of contexts that it stands for, if any."""

    kind: str
    member: int
    value: int = 0


def _length(histories: Histories, column: Column) -> np.ndarray:
    return np.minimum(histories.lengths[:, column.member], LONGEST) == column.value


def _backoff(histories: Histories, column: Column) -> np.ndarray:
    return histories.backoffs[:, column.member]


def _recent(histories: Histories, column: Column) -> np.ndarray:
    return histories.recent[:, column.member]


def _average(histories: Histories, column: Column) -> np.ndarray:
    return histories.recent[:, column.member] / np.maximum(1, histories.span)


def _count(histories: Histories, column: Column) -> np.ndarray:
    return np.log(np.maximum(histories.counts[:, column.member], LEAST_COUNT))


def _position(histories: Histories, column: Column) -> np.ndarray:
    return np.log1p(histories.position)


KINDS: dict[str, tuple[str, Callable[[Histories, Column], np.ndarray]]] = {
    "length": ("words in the longest context that the member knows, one column a length", _length),
    "backoff": ("ln of the member's back-off weight there: near 0 for contexts hardly known", _backoff),
    "likelihood": ("ln p of the recent words under the member, beside the best member", _recent),
    "average": ("the same for each of those words", _average),
    "counts": ("ln of the count of the history in the member's count file", _count),
    "position": ("ln(1 + words before in the sentence)", _position),
}
"""What features are called, what they say, and how they are computed."""

USUAL = ("length", "backoff", "likelihood", "average")
"""Features that need nothing but the models."""


class FeatureSet:
    """The columns of some kinds of features for K members.

    Attributes
    ----------
    kinds : tuple of str
        Names in `KINDS`.
    columns : list of Column

    Raises SettingError for an unknown kind.
    """

    def __init__(self, kinds: Sequence[str], members: int, longest: Sequence[int]) -> None:
        """`longest` (K,) are the most words that each member knows of a history: its order − 1."""
        for kind in kinds:
            if kind not in KINDS:
                raise SettingError(f"no feature is called {kind!r}; there are {', '.join(KINDS)}")
        self.kinds = tuple(kinds)
        self.columns: list[Column] = []
        for kind in kinds:
            if kind == "length":
                self.columns += [
                    Column(kind, k, n) for k in range(members) for n in range(1, min(LONGEST, longest[k]) + 1)
                ]
            elif kind == "position":
                self.columns.append(Column(kind, 0))
            else:
                self.columns += [Column(kind, k) for k in range(members)]

    def values(self, histories: Histories) -> np.ndarray:
        """(n, F) float64: the features of n histories."""
        found = np.empty((len(histories.position), len(self.columns)))
        for j, column in enumerate(self.columns):
            found[:, j] = KINDS[column.kind][1](histories, column)
        return found
