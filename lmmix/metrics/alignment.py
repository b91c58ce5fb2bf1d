"""Alignments: which items of one sequence stand for which of another."""

from __future__ import annotations

import numpy as np

from lmmix.errors import SettingError


def align(substitution: np.ndarray, deletion: np.ndarray, insertion: np.ndarray) -> np.ndarray:
    """The cheapest alignment of n items with m items, in their order.

    Where ways to get to a place cost the same, the last step there puts two items together rather than it inserts
    one, and inserts rather than it deletes.

    Parameters
    ----------
    substitution : (n, m)
        Cost of putting item j of the second sequence where item i of the first stands, usually 0 for equal items.
    deletion : (n,)
        Cost of leaving out an item of the first.
    insertion : (m,)
        Cost of putting in an item of the second.

    Returns (k, 2) int64 pairs (i, j) in ascending order; −1 stands for no item. Takes n · m bytes besides the costs.
    Raises SettingError for costs whose shapes do not fit.
    """
    from lmmix.metrics import _kernels as kernels

    costs = [np.require(one, np.float64, ["C", "W"]) for one in (substitution, deletion, insertion)]
    n, m = costs[1].size, costs[2].size
    if [one.shape for one in costs] != [(n, m), (n,), (m,)]:
        shapes = ", ".join(str(one.shape) for one in costs)
        raise SettingError(f"costs of substitution, deletion, insertion are {shapes}; they must be (n, m), (n,), (m,)")
    pairs = np.empty((n + m, 2), np.int64)
    return pairs[kernels._align(*costs, pairs) :]
