"""Katz back-off with Good–Turing discounts (Katz 1987, "Estimation of probabilities from sparse data …")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmmix.ngram.discounts import counts_of_counts, katz_discounts
from lmmix.ngram.kneser_ney import DiscountRule
from lmmix.ngram.smoothing import BACKOFF, OrderCounts


@dataclass(frozen=True)
class KatzRule(DiscountRule):
    """α = d_c·c / C(h); where that takes nothing away, c / (C(h) + 1), as in SRILM."""

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Rule`."""
        added = (taken == 0).astype(np.float64)
        denominator = total + added
        return denominator, (taken + added) / denominator


@dataclass(frozen=True)
class Katz:
    """Good–Turing discounts of counts 1…5 on raw counts; back-off only."""

    name: str = "katz"
    forms: tuple[str, ...] = (BACKOFF,)
    continuation: bool = False
    fractional: bool = False

    def rule(self, counts: OrderCounts) -> KatzRule:
        """The discounts of one order, from its counts of counts."""
        return KatzRule(katz_discounts(counts_of_counts(counts.tree, counts.counts, counts.order), counts.order))


def katz() -> Katz:
    """Katz back-off; takes no numbers."""
    return Katz()
