"""Discounts that make a held-out text most probable, those of all orders at once.

MITLM tunes in this way (Hsu & Glass 2008, "Iterative language model estimation: efficient data structure &
algorithms"). An event of the held-out text needs only a few numbers of each order: the count of its n-gram, the
sum of the counts in its context and how many of them are 1, 2, … They are gathered once; then the perplexity and
its gradient are a few array operations::

    p_n = (c − D_n(c)) / C + γ_n·p_{n−1},    γ_n = (Σ_r D_n(r)·N_r + lost) / C
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.held_out import HeldOut
from lmmix.ngram.kneser_ney import Discounting
from lmmix.ngram.smoothing import OrderCounts, Smoothing

logger = logging.getLogger("lmmix")

LEAST = 1e-3
"""The smallest discount allowed; at 0, a context could have nothing left for words not seen in it."""


@dataclass(frozen=True)
class Evidence:
    """What the events with a known context need of one order; K discounts, T' such events.

    Attributes
    ----------
    event : (T',) int64
        Which events they are.
    count : (T',) float64
        Of the n-gram, 0 if the model lacks it.
    kind : (T',) int64
        Which discount its count has: 0 for none, 1…K.
    total : (T',) float64
        Sum of the counts in the context.
    kinds : (T', K) float64
        How many n-grams of the context have each discount.
    lost : (T',) float64
        What cut-offs take from the context.
    """

    event: np.ndarray
    count: np.ndarray
    kind: np.ndarray
    total: np.ndarray
    kinds: np.ndarray
    lost: np.ndarray


def gather(order: OrderCounts, n_discounts: int, held_out: HeldOut) -> Evidence:
    """What one order knows of each event of the held-out text."""
    contexts = order.tree.nodes(order.order - 1)
    units = np.eye(n_discounts + 1)
    units[0] = 0.0
    sums = [order.sums(unit, contexts.start, contexts.stop) for unit in units]
    total, lost = sums[0][0], sums[0][1]
    context = held_out.context[order.order - 1]
    at = context - contexts.start
    event = np.flatnonzero((context >= 0) & (held_out.prob > 0))
    event = event[total[at[event]] > 0]
    at = at[event]
    ngram = held_out.ngram[order.order - 1][event]
    known = (ngram >= 0) & (order.raw[ngram] >= order.minimum)
    count = np.where(known, order.counts[ngram], 0)
    kinds = np.stack([taken[at] - lost[at] for _, taken, _ in sums[1:]], axis=1)
    kind = np.minimum(count, n_discounts).astype(np.int64)
    return Evidence(event, count.astype(np.float64), kind, total[at], kinds, lost[at])


class Objective:
    """Mean −ln p of the held-out events as a function of all discounts, with its gradient.

    `start` is (T,) the probabilities below the first order; events where it is 0 are left out.
    """

    def __init__(self, evidence: Sequence[Evidence], start: np.ndarray) -> None:
        self.evidence = evidence
        self.start = start
        self.counted = np.flatnonzero(start > 0)

    def __call__(self, discounts: np.ndarray) -> tuple[float, np.ndarray]:
        """(mean −ln p, (N·K,) gradient) at the (N·K,) `discounts`, those of the lowest order first."""
        tables = discounts.reshape(len(self.evidence), -1)
        prob, lowers, lefts = self.start.copy(), [], []
        for found, table in zip(self.evidence, tables):
            lower = prob[found.event]
            left = (found.kinds @ table + found.lost) / found.total
            kept = (found.count - np.append(0.0, table)[found.kind]) / found.total
            prob[found.event] = kept + left * lower
            lowers.append(lower)
            lefts.append(left)
        value = -float(np.log(prob[self.counted]).mean())
        slope = np.zeros_like(prob)
        slope[self.counted] = -1.0 / (prob[self.counted] * len(self.counted))
        gradient = np.empty_like(tables)
        for n in range(len(self.evidence) - 1, -1, -1):
            found = self.evidence[n]
            share = slope[found.event] / found.total
            own = np.bincount(found.kind, share, minlength=tables.shape[1] + 1)[1:]
            gradient[n] = (share * lowers[n]) @ found.kinds - own
            slope[found.event] *= lefts[n]
        return value, gradient.ravel()


def tuned(orders: Sequence[OrderCounts], smoothings: Sequence[Smoothing], held_out: HeldOut) -> list[Discounting]:
    """The smoothings with the discounts that fit the held-out text best, by L-BFGS-B within (0, r].

    All must be interpolated discounting with the same number of discounts. Raises SettingError.
    """
    from scipy.optimize import minimize

    kinds = [smoothing for smoothing in smoothings if isinstance(smoothing, Discounting)]
    n_discounts = kinds[0].n_discounts if kinds else 0
    if len(kinds) < len(smoothings) or any(kind.n_discounts != n_discounts for kind in kinds):
        raise SettingError(
            f"smoothing is {','.join(smoothing.name for smoothing in smoothings)}; discounts can be tuned for mkn, "
            "or for kn and abs, on all orders"
        )
    objective = Objective([gather(order, n_discounts, held_out) for order in orders], held_out.prob)
    first = np.concatenate([kind.rule(order).discount[1:] for kind, order in zip(kinds, orders)])
    bounds = [(LEAST, r) for r in range(1, n_discounts + 1)] * len(orders)
    found = minimize(objective, np.clip(first, LEAST, None), jac=True, method="L-BFGS-B", bounds=bounds)
    before, after = np.exp(objective(first)[0]), np.exp(found.fun)
    logger.info("discounts tuned in %d steps: held-out perplexity %.3f, before %.3f", found.nit, after, before)
    tables = np.clip(found.x, LEAST, None).reshape(len(orders), n_discounts).tolist()
    return [kind.with_discounts(tuple(table)) for kind, table in zip(kinds, tables)]
