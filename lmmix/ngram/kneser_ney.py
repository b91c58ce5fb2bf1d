"""Discounting by subtraction: modified and original Kneser–Ney, and absolute discounting.

Chen & Goodman (1999), "An empirical study of smoothing techniques for language modeling"; Kneser & Ney (1995),
"Improved backing-off for m-gram language modeling"; Ney, Essen & Kneser (1994), "On structuring probabilistic
dependences in stochastic language modelling".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.discounts import Discounts, absolute_discount, counts_of_counts, modified_discounts
from lmmix.ngram.smoothing import BACKOFF, INTERPOLATED, OrderCounts
from lmmix.parallel import thread_map
from lmmix.scratch import IN_MEMORY, Scratch
from lmmix.vocab import BOS


def adjusted_counts(
    counts: NgramCounts, orders: Collection[int], threads: int | None = None, scratch: Scratch = IN_MEMORY
) -> np.ndarray:
    """(M,) counts: raw ones, but in `orders` the number of different words seen before each n-gram.

    N-grams that begin with `<s>` keep their raw count, since nothing comes before them, as do those of the
    highest order. `<s>` itself, which is no event, gets 0.
    """
    tree = counts.tree
    adjusted = scratch.empty(tree.size, counts.count.dtype)
    adjusted[:] = counts.count

    def adjust(order: int) -> None:
        own, longer = tree.nodes(order), tree.nodes(order + 1)
        adjusted[own] = 0
        kernels._add_continuations(tree.suffix, longer.start, longer.stop, adjusted)
        kept = tree.starting_with_bos(order)
        adjusted[kept] = counts.count[kept]

    thread_map(adjust, [order for order in orders if order < tree.order], threads)
    adjusted[1 + BOS] = 0
    return adjusted


@dataclass(frozen=True)
class DiscountRule:
    """α = (c − D(c)) / C(h)."""

    discounts: Discounts

    @cached_property
    def discount(self) -> np.ndarray:
        """(K + 1,) the table of D."""
        return self.discounts.table()

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Rule`."""
        return total, taken / total

    def parameters(self) -> dict[str, Any]:
        """The discounts."""
        return {"discounts": list(self.discounts.values)}

    def notes(self) -> dict[str, str]:
        """Discounts that counts of counts could not give."""
        ways = {"extrapolated": self.discounts.fitted, "fallback": self.discounts.fixed}
        return {way: "+".join(f"D{r}" for r in of) for way, of in ways.items() if of}


@dataclass(frozen=True)
class Discounting:
    """Absolute discounting in its three kinds.

    `estimate` gives the discounts from counts of counts and the order; `given` are those to use instead.
    """

    kind: str
    estimate: Callable[[np.ndarray, int], Discounts]
    n_discounts: int
    continuation: bool
    given: tuple[float, ...] = ()
    forms: tuple[str, ...] = (INTERPOLATED, BACKOFF)
    fractional: bool = False

    @property
    def name(self) -> str:
        """The kind, with the discounts if they were given."""
        return f"{self.kind}:{'/'.join(f'{value:.6g}' for value in self.given)}" if self.given else self.kind

    def with_discounts(self, values: tuple[float, ...]) -> Discounting:
        """The same with discounts given by hand. Raises SettingError unless each D_r is in (0, r]."""
        if len(values) != self.n_discounts or not all(0 < value <= r for r, value in enumerate(values, 1)):
            limits = ", ".join(f"D{r} in (0, {r}]" for r in range(1, self.n_discounts + 1))
            raise SettingError(f"discounts of {self.kind} are {', '.join(map(str, values))}; it takes {limits}")
        return Discounting(self.kind, self.estimate, self.n_discounts, self.continuation, values)

    def rule(self, counts: OrderCounts) -> DiscountRule:
        """The discounts given, or those from counts of counts."""
        if self.given:
            return DiscountRule(Discounts(self.given))
        return DiscountRule(self.estimate(counts_of_counts(counts.tree, counts.counts, counts.order), counts.order))


def modified_kneser_ney(*discounts: float) -> Discounting:
    """Modified Kneser–Ney: three discounts an order, on adjusted counts."""
    return _discounting(Discounting("mkn", modified_discounts, 3, continuation=True), discounts)


def kneser_ney(*discounts: float) -> Discounting:
    """Original Kneser–Ney: one discount an order, on adjusted counts."""
    return _discounting(Discounting("kn", absolute_discount, 1, continuation=True), discounts)


def absolute(*discounts: float) -> Discounting:
    """Absolute discounting: one discount an order, on raw counts."""
    return _discounting(Discounting("abs", absolute_discount, 1, continuation=False), discounts)


def _discounting(smoothing: Discounting, discounts: tuple[float, ...]) -> Discounting:
    return smoothing.with_discounts(discounts) if discounts else smoothing
