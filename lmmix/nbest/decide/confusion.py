"""Confusion networks: texts aligned with one another, so that each place has words with masses.

As in ROVER (Fiscus 1997) and in SRILM's n-best lattices (Mangu, Brill & Stolcke 2000), one text after the other is
aligned with what is there, the heaviest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.metrics.alignment import align

EMPTY = ""
"""The word of texts that have none in a slot."""

FINE = 2.0**20
"""Costs are multiples of 1 / FINE, so that sums of them are exact and equal costs stay equal."""

NEVER = np.iinfo(np.int64).max

ROUNDING = 1e-12
"""Masses that differ by less than this part of all mass are equal."""


@dataclass(frozen=True)
class ConfusionNetwork:
    """S slots in the order of the text, over a vocabulary of V words.

    Attributes
    ----------
    words : list of V words
        The first is EMPTY.
    masses : (S, V) float64
        How much mass texts with this word in this slot have.
    entered : (S, V) int64
        With which text, from 0 for the heaviest, the word came into the slot; NEVER if it did not.
    """

    words: list[str]
    masses: np.ndarray
    entered: np.ndarray

    def slots(self) -> list[dict[str, float]]:
        """The words of each slot with their posteriors, in the order in which they would be chosen."""
        shares = self.masses / self.masses.sum(axis=1, keepdims=True)
        found = []
        for share, entered in zip(shares, self.entered):
            rounded = np.rint(share / ROUNDING)
            order = [i for i in np.lexsort((entered, -rounded)) if entered[i] < NEVER]
            found.append({self.words[i]: float(share[i]) for i in order})
        return found

    def best(self) -> list[str]:
        """The heaviest word of each slot, of equal ones that of the heavier text; without the empty ones."""
        if not len(self.masses):
            return []
        nearly = self.masses.max(axis=1, keepdims=True) - ROUNDING * self.masses.sum(axis=1, keepdims=True)
        chosen = np.argmin(np.where(self.masses >= nearly, self.entered, NEVER), axis=1)
        return [self.words[i] for i in chosen if i]


def confusion_network(texts: Sequence[Sequence[str]], masses: np.ndarray) -> ConfusionNetwork:
    """The network of n texts, each a sequence of words, with masses (n,), of which those of 0 do not count.

    The heaviest text comes first, of equals the one that stands first. To put a word into a slot costs 1 minus the
    share of the mass there that has this word; so does leaving a slot empty; a new slot costs 1.
    """
    numbers = {EMPTY: 0}
    order = [int(i) for i in np.argsort(-masses, kind="stable") if masses[i] > 0]
    # Behind the words of a text stands the empty one.
    ids = [[numbers.setdefault(word, len(numbers)) for word in (*texts[i], EMPTY)] for i in order]
    slots, entered = np.zeros((0, len(numbers))), np.zeros((0, len(numbers)), np.int64)
    before = 0.0
    for k, (i, words) in enumerate(zip(order, ids)):
        costs = np.rint(FINE * (1.0 - slots[:, words] / before)) / FINE
        pairs = align(costs[:, :-1], costs[:, -1], np.ones(len(words) - 1))
        slots, entered = _with_new_slots(slots, entered, pairs[:, 0], before, k)
        # Where a slot gets no word the second number is −1, which takes the empty one.
        chosen = np.array(words)[pairs[:, 1]]
        rows = np.arange(len(pairs))
        slots[rows, chosen] += masses[i]
        entered[rows, chosen] = np.minimum(entered[rows, chosen], k)
        before += masses[i]
    return ConfusionNetwork(list(numbers), slots, entered)


def _with_new_slots(
    slots: np.ndarray, entered: np.ndarray, old: np.ndarray, before: float, texts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Masses and entries with a slot where `old` is −1, in which the `texts` so far, of mass `before`, have no word."""
    new = old < 0
    if not new.any():
        return slots, entered
    grown, first = np.zeros((len(old), slots.shape[1])), np.full((len(old), slots.shape[1]), NEVER)
    grown[~new], first[~new] = slots, entered
    grown[new, 0] = before
    if texts:
        first[new, 0] = 0
    return grown, first
