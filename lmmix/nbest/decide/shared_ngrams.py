"""How many n-grams texts share, for all pairs of texts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH = 4096
"""Columns of the matrices whose product counts matches."""


@dataclass(frozen=True)
class Shared:
    """The n-grams of one order.

    Attributes
    ----------
    counts : (n,) float64
        How many the texts have.
    matches : (n, m) float64
        How many they share with others: of each n-gram the smaller of the two counts, as BLEU clips them.
    """

    counts: np.ndarray
    matches: np.ndarray


def shared_ngrams(texts: Sequence[Sequence[str]], others: np.ndarray, order: int) -> list[Shared]:
    """What n texts, sequences of words or characters, share with `others` (m,) of them, for the orders 1…`order`."""
    numbers: dict[str, int] = {}
    units = np.array([numbers.setdefault(unit, len(numbers)) for text in texts for unit in text], np.int64)
    lengths = np.array([len(text) for text in texts], np.int64)
    owner = np.repeat(np.arange(len(texts)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(units))
    ngram = np.zeros(len(units), np.int64)
    found = []
    for n in range(1, order + 1):
        # An n-gram is an (n − 1)-gram and one more unit.
        begins = np.flatnonzero(left >= n)
        longer = ngram[begins] * max(len(numbers), 1) + units[begins + n - 1]
        ngram[begins] = np.unique(longer, return_inverse=True)[1]
        counts = np.maximum(lengths - n + 1, 0).astype(np.float64)
        found.append(Shared(counts, _matches(owner[begins], ngram[begins], len(texts), others)))
    return found


def _matches(owner: np.ndarray, ngram: np.ndarray, texts: int, others: np.ndarray) -> np.ndarray:
    """(n, m) clipped matches of the n-grams that stand in the texts `owner`."""
    order = np.lexsort((owner, ngram))
    owner, ngram = owner[order], ngram[order]
    change = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(ngram, prepend=-1))
    time = np.arange(len(owner)) - np.repeat(change, np.diff(change, append=len(owner)))
    # The first, second, … time that a text has an n-gram are features that it has or not; texts share as many
    # features as clipped n-grams. Products of zeros and ones are exact in float32.
    order = np.lexsort((time, ngram))
    owner, ngram, time = owner[order], ngram[order], time[order]
    feature = np.cumsum((np.diff(ngram, prepend=-1) | np.diff(time, prepend=-1)) != 0) - 1
    matches = np.zeros((texts, len(others)))
    for lo in range(0, int(feature[-1]) + 1 if len(feature) else 0, WIDTH):
        begin, end = np.searchsorted(feature, [lo, lo + WIDTH])
        has = np.zeros((texts, feature[end - 1] + 1 - lo), np.float32)
        has[owner[begin:end], feature[begin:end] - lo] = 1.0
        matches += has @ has[others].T
    return matches
