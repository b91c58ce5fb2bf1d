"""Jelinek–Mercer smoothing (Jelinek & Mercer 1980; buckets of Bahl, Jelinek & Mercer 1983).

p(w | h) = λ·c(hw)/C(h) + (1 − λ)·p(w | h without its first word), where λ belongs to the order and to the bucket
⌊log2 C(h)⌋. The λ of an order are found by EM on held-out text when the order below is done: given that, each is
one concave problem.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.smoothing import INTERPOLATED, OrderCounts

PRIOR = 1.0
"""Made-up held-out events on each side of a λ (a Beta(2, 2) prior): no λ is 0 or 1, and one without events is ½."""

MAX_STEPS = 1000
TOLERANCE = 1e-9


@dataclass(frozen=True)
class JelinekMercerRule:
    """α = λ·c / C(h); `weights` is (B,) the λ of each bucket, the last for all larger sums of counts too."""

    weights: np.ndarray

    @property
    def discount(self) -> np.ndarray:
        """Nothing is taken from the counts."""
        return np.zeros(1)

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Rule`."""
        weight = self.weights[buckets(total, len(self.weights))]
        return total / weight, (1.0 - weight) + weight * taken / total

    def parameters(self) -> dict[str, Any]:
        """λ by bucket: sums of counts below 2, below 4, below 8, …"""
        return {"lambdas": self.weights.tolist()}

    def notes(self) -> dict[str, str]:
        """A digest of the λ, which come from the held-out text."""
        return {"lambdas": hashlib.sha256(self.weights.tobytes()).hexdigest()[:8]}


def buckets(total: np.ndarray, size: int) -> np.ndarray:
    """(n,) ⌊log2 C⌋ of sums of counts, between 0 and size − 1."""
    exponent = np.frexp(total)[1] - 1
    return np.clip(exponent, 0, size - 1)


@dataclass(frozen=True)
class JelinekMercer:
    """Weights by order and count bucket from held-out text; interpolated only."""

    name: str = "jm"
    forms: tuple[str, ...] = (INTERPOLATED,)
    continuation: bool = False
    fractional: bool = True

    def rule(self, counts: OrderCounts) -> JelinekMercerRule:
        """The weights of one order. Raises SettingError without a held-out text."""
        held_out = counts.held_out
        if held_out is None:
            raise SettingError(
                "smoothing jm needs a text to find its weights on, not the training text: --held-out FILE"
            )
        contexts = counts.tree.nodes(counts.order - 1)
        total, _, _ = counts.sums(np.zeros(1), contexts.start, contexts.stop)
        at = held_out.context[counts.order - 1] - contexts.start
        known = np.flatnonzero((at >= 0) & (held_out.prob > 0))
        known = known[total[at[known]] > 0]
        sums = total[at[known]]
        ngram = held_out.ngram[counts.order - 1][known]
        # What cut-offs leave out has no part in the model that the weights are for.
        kept = (ngram >= 0) & (counts.raw[ngram] >= counts.minimum)
        seen = np.where(kept, counts.counts[ngram], 0) / sums
        size = 1 + int(buckets(total.max(keepdims=True), 64)[0])
        return JelinekMercerRule(fit_weights(seen, held_out.prob[known], buckets(sums, size), size))


def fit_weights(first: np.ndarray, second: np.ndarray, bucket: np.ndarray, size: int) -> np.ndarray:
    """(size,) the λ of each bucket that maximise Σ ln(λ·first + (1 − λ)·second) and the prior, by EM.

    `first`, `second` and `bucket` are (T,), one entry for each held-out event.
    """
    events = np.bincount(bucket, minlength=size)
    weights = np.full(size, 0.5)
    for _ in range(MAX_STEPS):
        share = weights[bucket] * first
        share /= share + (1.0 - weights[bucket]) * second
        last = weights
        weights = (np.bincount(bucket, share, minlength=size) + PRIOR) / (events + 2 * PRIOR)
        if np.abs(weights - last).max() < TOLERANCE:
            break
    return weights


def jelinek_mercer() -> JelinekMercer:
    """Jelinek–Mercer smoothing; takes no numbers."""
    return JelinekMercer()
