"""The best and the worst that could be chosen from lists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lmmix.metrics.metric import Metric, loss

SWEEPS = 10
"""How often all lists are gone through at most where sentences depend on each other."""


def extreme(metric: Metric, statistics: np.ndarray, offsets: np.ndarray, sign: int, before: np.ndarray) -> np.ndarray:
    """(U,) int64: the hypotheses that make the best text (sign 1) or the worst (sign −1).

    Exact where the metric is linear. Else one hypothesis after the other is exchanged until nothing improves, beginning
    with the best of each list by itself; `before` (k,) are statistics of a text that goes before.
    """
    alone = sign * metric.sentence_loss(statistics)
    chosen = np.array([lo + int(np.argmin(alone[lo:hi])) for lo, hi in pairwise(offsets)], np.int64)
    if metric.linear:
        return chosen
    sums = before + statistics[chosen].sum(axis=0)
    for _ in range(SWEEPS):
        moved = False
        for u, (lo, hi) in enumerate(pairwise(offsets)):
            others = sums - statistics[chosen[u]]
            losses = sign * loss(metric, others + statistics[lo:hi])
            best = lo + int(np.argmin(losses))
            if losses[best - lo] < losses[chosen[u] - lo]:
                chosen[u], moved = best, True
                sums = others + statistics[best]
        if not moved:
            break
    return chosen
