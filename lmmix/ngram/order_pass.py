"""The pass that finishes one order, the same for every smoothing; lower orders come first.

With the relative frequencies α and the left-over mass γ of a `Rule`, and s_j the n-gram j without its first word::

    interpolated    p_j = α_j + γ(h)·p(s_j),    back-off weight γ(h)
    back-off        p_j = α_j,                  back-off weight γ(h) / (1 − Σ p(s_j))
    constant        p_j = α_j,                  back-off weight γ(h)

The last is no distribution. Where the words seen after h are all that have a probability, nobody could take up
what backing off leaves over, and they get it themselves: that context is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.smoothing import BACKOFF, INTERPOLATED, OrderCounts, Rule
from lmmix.parallel import cut, thread_map

PIECE_CONTEXTS = 1 << 16
"""Contexts a thread estimates at a time."""


@dataclass(frozen=True)
class Estimates:
    """The numbers of a model while they are found; probabilities, not logarithms.

    Attributes
    ----------
    prob : (M,) float64
        prob[0] is the uniform probability, which stands below the unigrams.
    backoff : (level[N],) float64
    rest : (level[N],) float64 or None
        What each context leaves to words that are not its children; only kept if back-off smoothing needs it.
    """

    prob: np.ndarray
    backoff: np.ndarray
    rest: np.ndarray | None


def estimate_order(
    counts: OrderCounts, rule: Rule, form: str, lower_minimum: float, estimates: Estimates, threads: int | None
) -> None:
    """Fill in the n-grams of one order and the back-offs of their contexts.

    `lower_minimum` is the cut-off of the order below.
    """
    contexts = counts.tree.nodes(counts.order - 1)

    def estimate(piece: tuple[int, int]) -> None:
        lo, hi = contexts.start + piece[0], contexts.start + piece[1]
        _estimate_piece(counts, rule, form, lower_minimum, estimates, lo, hi)

    thread_map(estimate, cut(contexts.stop - contexts.start, PIECE_CONTEXTS), threads)


def _estimate_piece(
    counts: OrderCounts, rule: Rule, form: str, lower_minimum: float, estimates: Estimates, lo: int, hi: int
) -> None:
    tree = counts.tree
    total, taken, types = counts.sums(rule.discount, lo, hi)
    with np.errstate(divide="ignore", invalid="ignore"):
        denominator, left = rule.shares(total, taken, types)
    left = np.where(total > 0, left, 1.0)
    weight = left if form == INTERPOLATED else np.zeros(hi - lo)
    backoff = left
    if form == BACKOFF or estimates.rest is not None:
        unseen = _unseen_mass(counts, lower_minimum, estimates, lo, hi)
        if form == BACKOFF:
            weight = np.where(unseen > 0, 0.0, left)
            backoff = np.divide(left, unseen, out=np.ones(hi - lo), where=unseen > 0)
        if estimates.rest is not None:
            estimates.rest[lo:hi] = backoff * unseen
    estimates.backoff[lo:hi] = backoff
    kernels._share_out(
        tree.begin, tree.suffix, counts.counts, counts.raw, counts.minimum, rule.discount, lo, hi,
        denominator, weight, estimates.prob, estimates.backoff,
    )  # fmt: skip


def _unseen_mass(counts: OrderCounts, lower_minimum: float, estimates: Estimates, lo: int, hi: int) -> np.ndarray:
    """(hi − lo,) what the order below gives to words that are not seen in each context."""
    tree = counts.tree
    if counts.order == 1:
        seen = np.count_nonzero(counts.counts[tree.nodes(1)])
        return np.array([(counts.events - seen) / counts.events])
    unseen = np.empty(hi - lo)
    assert estimates.rest is not None
    kernels._unseen_mass(
        tree.word, tree.begin, tree.suffix, counts.raw, counts.minimum, lower_minimum, lo, hi,
        estimates.prob, estimates.rest, unseen,
    )  # fmt: skip
    return unseen
