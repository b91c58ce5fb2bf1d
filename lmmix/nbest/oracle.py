"""The best and the worst that could be chosen from lists."""

from __future__ import annotations

import numpy as np

from lmmix.metrics.metric import Metric, loss
from lmmix.nbest.lists import first_highest

SWEEPS = 10
"""How often all lists are gone through at most where sentences depend on each other."""


def extreme(metric: Metric, statistics: np.ndarray, offsets: np.ndarray, sign: int, before: np.ndarray) -> np.ndarray:
    """(U,) int64: the hypotheses that make the best text (sign 1) or the worst (sign −1).

    Exact where the metric is linear. Else it begins with the best of each list by itself and exchanges hypotheses until
    no exchange of one improves the text, or SWEEPS are over: the best text is at least as good as that, the worst at
    least as bad. `before` (k,) are statistics of a text that goes before, to which the text belongs; so where a corpus
    comes in blocks, what is found depends on them.
    """
    chosen = first_highest(-sign * metric.sentence_loss(statistics), offsets)
    if metric.linear:
        return chosen
    for _ in range(SWEEPS):
        better = _exchanged(metric, statistics, offsets, sign, before, chosen)
        if better is None:
            break
        chosen = better
    return chosen


def _exchanged(
    metric: Metric, statistics: np.ndarray, offsets: np.ndarray, sign: int, before: np.ndarray, chosen: np.ndarray
) -> np.ndarray | None:
    """What makes a better text than `chosen` (U,), or None if no exchange of one hypothesis does.

    For each list the exchange is looked for that improves the text most while the others stay. All are made together;
    where they disturb each other, the better half of them, and so on: the best one improves the text by itself.
    """
    sums = before + statistics[chosen].sum(axis=0)
    others = np.repeat(sums - statistics[chosen], np.diff(offsets), axis=0)
    losses = sign * loss(metric, others + statistics)
    best = first_highest(-losses, offsets)
    gain = losses[chosen] - losses[best]
    lists = np.argsort(-gain, kind="stable")[: np.count_nonzero(gain > 0)]
    now = sign * loss(metric, sums)
    while len(lists):
        moved = chosen.copy()
        moved[lists] = best[lists]
        if sign * loss(metric, before + statistics[moved].sum(axis=0)) < now:
            return moved
        lists = lists[: len(lists) // 2]
    return None
