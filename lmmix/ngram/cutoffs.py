"""Count cut-offs: rare n-grams are left out, of a model after they took part in its estimation (as in KenLM), or of
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.tree import NgramTree
from lmmix.scratch import IN_MEMORY, Scratch

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
    counts: NgramCounts, minimum: list[float], prob: np.ndarray, backoff: np.ndarray, scratch: Scratch = IN_MEMORY
) -> tuple[NgramTree, np.ndarray, np.ndarray]:
    """The tree without n-grams that occur too rarely, with the (M',) and (level[N],) numbers of those that stay."""
    tree = counts.tree
    if max(minimum) <= 1:
        return tree, prob, backoff
    keep = np.ones(tree.size, bool)
    for n in range(2, tree.order + 1):
        keep[tree.nodes(n)] = counts.count[tree.nodes(n)] >= minimum[n]
    smaller, nodes = tree.selected(keep, scratch)
    contexts = nodes[: int(smaller.level[smaller.order])]
    return smaller, scratch.taken(prob, nodes), scratch.taken(backoff, contexts)


def cut_off(counts: NgramCounts, min_counts: Sequence[int]) -> NgramCounts:
    """The n-grams whose count is at least that given for their order, and whose context and suffix stay as well.

    Parameters
    ----------
    counts : NgramCounts
        Counts of whole texts; the suffix of each n-gram is the n-gram without its first word.
    min_counts : sequence of int
        The smallest count to keep at orders 1, 2, …; the last one also holds for longer n-grams. All words stay,
        so the first is at most 1.

    Raises SettingError.
    """
    if not len(min_counts) or min(min_counts) < 0:
        raise SettingError(f"min_counts is {list(min_counts)}; it must be numbers from 0 up, one for each order")
    if min_counts[0] > 1:
        raise SettingError(
            f"min_counts of order 1 is {min_counts[0]}; it must be 1, since all words stay: leave out rare words by a "
            "vocabulary (lmmix vocab --min-count)"
        )
    tree, count = counts.tree, counts.count
    if len(min_counts) > tree.order:
        raise SettingError(f"min_counts has {len(min_counts)} numbers; there are only {tree.order} orders")
    keep = np.ones(tree.size, np.bool_)
    for n in range(2, tree.order + 1):
        nodes, contexts = tree.nodes(n), tree.nodes(n - 1)
        children = np.diff(tree.begin[contexts.start : contexts.stop + 1])
        keep[nodes] = count[nodes] >= min_counts[min(n, len(min_counts)) - 1]
        keep[nodes] &= keep[tree.suffix[nodes]] & np.repeat(keep[contexts], children)
    kept, here = tree.selected(keep)
    return NgramCounts(kept, count[here])
