"""Count cut-offs: rare n-grams are left out of the model, but take part in its estimation (as in KenLM)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.tree import NgramTree

ANY = float(np.nextafter(0.0, 1.0))
"""The smallest count there can be; words that do not occur at all are below it."""


def minimum_counts(min_counts: Sequence[int], order: int) -> list[float]:
    """The least count of an n-gram of order 0, 1, …, `order` that stays; the last of `min_counts` repeats.

    Where all stay, it is 0, but `ANY` at order 1, where there are words that do not occur. Raises SettingError
    unless they start with 1 and do not fall: only then are contexts and suffixes of what stays sure to stay.
    """
    values = list(min_counts)
    if not values or values[0] != 1 or any(low > high for low, high in pairwise(values)) or len(values) > order:
        raise SettingError(
            f"minimum counts are {','.join(map(str, values)) or 'none'} for order {order}; give at most one an order, "
            "the first 1 (words stay; leave some out with --vocab), none smaller than the one before"
        )
    values += [values[-1]] * (order - len(values))
    return [0.0, ANY, *(float(value) if value > 1 else 0.0 for value in values[1:])]


def without_rare(
    counts: NgramCounts, minimum: list[float], prob: np.ndarray, backoff: np.ndarray
) -> tuple[NgramTree, np.ndarray, np.ndarray]:
    """The tree without n-grams that occur too rarely, with the (M',) and (level[N],) numbers of those that stay."""
    tree = counts.tree
    if max(minimum) <= 1:
        return tree, prob, backoff
    keep = np.ones(tree.size, bool)
    for n in range(2, tree.order + 1):
        keep[tree.nodes(n)] = counts.count[tree.nodes(n)] >= minimum[n]
    smaller, nodes = tree.selected(keep)
    return smaller, prob[nodes], backoff[nodes[: int(smaller.level[smaller.order])]]
