"""Count cut-offs: leaving out rare n-grams, order by order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.counts import NgramCounts


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
