"""What a smoothing is.

In each context h, a smoothing takes something away from the counts c_j of the words that follow and shares out what
is left::

    α_j  = (c_j − D(c_j)) / denominator(h)        for each word j seen after h
    γ(h) = 1 − Σ α_j                              left over for the lower order

The rest is the same for all of them (see `order_pass`). A smoothing is stateless; what it finds for one order
is a `Rule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.held_out import HeldOut
from lmmix.ngram.tree import NgramTree

INTERPOLATED, BACKOFF, CONSTANT = "interpolated", "backoff", "constant"
"""What the lower order adds: to all words; to words not seen in the context; to those, without normalisation."""


class Rule(Protocol):
    """How one order takes away and shares out.

    Attributes
    ----------
    discount : (K + 1,) float64
        D(0) = 0, D(1), …, D(K), the last for larger counts too.
    """

    @property
    def discount(self) -> np.ndarray:
        """See above."""
        ...

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(denominator, γ) of some contexts, (n,) each.

        `total` is the sum of the counts in each, `taken` what discounts and cut-offs took from it, `types` the
        number of different words. A context without words may give anything, without a warning.
        """
        ...

    def parameters(self) -> dict[str, Any]:
        """What was found, for reports; values that JSON can hold."""
        ...

    def notes(self) -> dict[str, str]:
        """What the signature must say of this order beside the name of the smoothing."""
        ...


@dataclass(frozen=True)
class OrderCounts:
    """What a smoothing may look at to find the rule of one order.

    Attributes
    ----------
    tree : NgramTree
    order : int
    counts : (M,) int32 or float64
        Raw or adjusted counts, aligned with the tree.
    raw : (M,)
        Occurrences.
    minimum : float
        N-grams with smaller raw counts will be left out.
    events : int
        Number of words with a probability, those of `vocab_pad` included, which are in no vocabulary.
    held_out : HeldOut or None
        Another text, with its probabilities by the order below.
    """

    tree: NgramTree
    order: int
    counts: np.ndarray
    raw: np.ndarray
    minimum: float
    events: int
    held_out: HeldOut | None = None

    def sums(self, discount: np.ndarray, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(total, taken, types) of the contexts lo…hi, (hi − lo,) each, as `Rule.shares` takes them."""
        total, taken, types = (np.empty(hi - lo) for _ in range(3))
        arrays = (self.tree.begin, self.counts, self.raw)
        kernels._context_sums(*arrays, self.minimum, discount, lo, hi, total, taken, types)
        return total, taken, types


class Smoothing(Protocol):
    """A way of smoothing, with its parameters if they were given by hand."""

    @property
    def name(self) -> str:
        """As the user writes it: `mkn`, `abs:0.5`."""
        ...

    @property
    def forms(self) -> tuple[str, ...]:
        """Which of INTERPOLATED, BACKOFF and CONSTANT there are; the first is the usual one."""
        ...

    @property
    def continuation(self) -> bool:
        """Whether lower orders work on Kneser–Ney's adjusted counts."""
        ...

    @property
    def fractional(self) -> bool:
        """Whether counts may be fractions."""
        ...

    def rule(self, counts: OrderCounts) -> Rule:
        """The rule of one order. Raises SettingError where something is missing."""
        ...
