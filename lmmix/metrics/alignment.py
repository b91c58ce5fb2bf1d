"""Alignments: which items of one sequence stand for which of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.errors import SettingError
from lmmix.metrics.error_rate import GAP, SUBSTITUTION

Pair = tuple[str | None, str | None]
"""A word of the reference and what stands for it in the hypothesis; None where there is no word."""


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


def aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """sclite's alignment of words or characters, of which `error_rate` has the counts."""
    numbers: dict[str, int] = {}
    left, right = (
        np.array([numbers.setdefault(unit, len(numbers)) for unit in units], np.int64)
        for units in (reference, hypothesis)
    )
    substitution = np.where(left[:, None] == right[None, :], 0.0, float(SUBSTITUTION))
    pairs = align(substitution, np.full(len(left), float(GAP)), np.full(len(right), float(GAP)))
    return [(reference[i] if i >= 0 else None, hypothesis[j] if j >= 0 else None) for i, j in pairs.tolist()]


def printed(pairs: Sequence[Pair]) -> str:
    """Three lines in sclite's form: REF, HYP with `*` for no word, and Eval with S, I, D under the errors.

    The space among characters is `␣`.
    """
    lines = ["REF: ", "HYP: ", "Eval:"]
    for reference, hypothesis in pairs:
        width = max(len(reference or ""), len(hypothesis or ""))
        for k, word in enumerate((reference or "*" * width, hypothesis or "*" * width, _letter(reference, hypothesis))):
            lines[k] += " " + word.replace(" ", "␣").ljust(width)
    return "".join(line.rstrip() + "\n" for line in lines)


def _letter(reference: str | None, hypothesis: str | None) -> str:
    """What happened: S, I, D or nothing."""
    if reference is None:
        return "I"
    if hypothesis is None:
        return "D"
    return "" if reference == hypothesis else "S"
