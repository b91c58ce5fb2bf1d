"""Discounts from counts of counts, and what to do where they cannot be estimated.

Each discount comes from the first of these that gives a value in (0, r]:

1. its formula with the counts of counts as they are;
2. the same formula with counts of counts n_r = A·r^b on the straight line through all that are not zero, in
   logarithms of both (needs two of them; Wang et al. 2007 extrapolate missing ones in this way);
3. a fixed value.

The second and third are logged and stand in the model's signature, unless no n-gram has such a count.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.tree import NgramTree

logger = logging.getLogger("lmmix")

LARGEST = 7
"""Counts of this size and more are counted as one."""

KATZ_LARGEST = 5
"""k of Katz (1987): larger counts are not discounted."""

CLEARLY_BELOW_ONE = 1 - 1e-6
"""A of Katz's equation must be: he divides by 1 − A."""

FIXED_MODIFIED = (0.5, 1.0, 1.5)
FIXED_ABSOLUTE = (0.5,)
FIXED_KATZ = (0.0,) * KATZ_LARGEST
"""What is taken where counts of counts give nothing (the first are the values of KenLM's --discount_fallback)."""


@dataclass(frozen=True)
class Discounts:
    """What is taken from counts of one order: D(1), D(2), …, D(K), the last for all larger counts too.

    `fitted` and `fixed` are the r of the discounts that the second and third way above gave.
    """

    values: tuple[float, ...]
    fitted: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()

    def table(self) -> np.ndarray:
        """(K + 1,) float64: the discount of counts 0, 1, …, K and more."""
        return np.array([0.0, *self.values])


def counts_of_counts(tree: NgramTree, counts: np.ndarray, order: int) -> np.ndarray:
    """(LARGEST + 1,) int64: entry r is the number of n-grams of `order` with count r, the last of all larger ones too.

    `counts` is (M,) int32, raw or adjusted.
    """
    histogram = np.zeros(LARGEST + 1, np.int64)
    nodes = tree.nodes(order)
    kernels._counts_of_counts(counts, nodes.start, nodes.stop, histogram)
    return histogram


def modified_discounts(counts_of_counts: np.ndarray, order: int) -> Discounts:
    """D1, D2, D3+ of modified Kneser–Ney: Chen & Goodman (1999), equation 26.

    Y = n1 / (n1 + 2 n2), D_r = r − (r + 1) Y n_{r+1} / n_r for r = 1, 2, 3. `order` is only for the log.
    """
    return _discounts(counts_of_counts, 4, _modified, FIXED_MODIFIED, order)


def absolute_discount(counts_of_counts: np.ndarray, order: int) -> Discounts:
    """The one discount n1 / (n1 + 2 n2) of absolute and original Kneser–Ney discounting: Ney et al. (1994)."""
    return _discounts(counts_of_counts, 2, _absolute, FIXED_ABSOLUTE, order)


def katz_discounts(counts_of_counts: np.ndarray, order: int) -> Discounts:
    """r (1 − d_r) for r = 1…5 and 0 for larger counts, with the ratios d_r of Katz (1987), equation 10.

    d_r = (r*/r − A) / (1 − A) with r* = (r + 1) n_{r+1} / n_r (Good–Turing) and A = 6 n6 / n1. Where they give
    nothing, counts stay as they are.
    """
    found = _discounts(counts_of_counts, KATZ_LARGEST + 1, _katz, FIXED_KATZ, order, open_ended=False)
    return Discounts((*found.values, 0.0), found.fitted, found.fixed)


def _modified(n: Sequence[float]) -> list[float]:
    if not (n[1] and n[2]):
        return [np.nan] * 3
    return [r - (r + 1) * n[1] / (n[1] + 2 * n[2]) * n[r + 1] / n[r] if n[r] else np.nan for r in (1, 2, 3)]


def _absolute(n: Sequence[float]) -> list[float]:
    return [n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else np.nan]


def _katz(n: Sequence[float]) -> list[float]:
    k = KATZ_LARGEST
    if not all(n[r] for r in range(1, k + 2)):
        return [np.nan] * k
    common = (k + 1) * n[k + 1] / n[1]
    if common > CLEARLY_BELOW_ONE:
        return [np.nan] * k
    ratios = [((r + 1) * n[r + 1] / (r * n[r]) - common) / (1 - common) for r in range(1, k + 1)]
    return [r * (1 - ratio) if ratio > 0 else np.nan for r, ratio in enumerate(ratios, 1)]


def _discounts(
    counts_of_counts: np.ndarray,
    needed: int,
    formula: Callable[[Sequence[float]], list[float]],
    fixed_values: tuple[float, ...],
    order: int,
    open_ended: bool = True,
) -> Discounts:
    """The discounts of `formula`, which looks at n1…n_needed, by the first way that gives a value.

    The last is that of all larger counts too if it is `open_ended`.
    """
    n = [int(value) for value in counts_of_counts]
    line = fitted_line(n[: needed + 1])
    from_line = formula(line) if line is not None else [np.nan] * len(fixed_values)
    values, fitted, fixed = [], [], []
    for r, (direct, extrapolated, last) in enumerate(zip(formula(n), from_line, fixed_values), 1):
        used = sum(n[r:]) if open_ended and r == len(fixed_values) else n[r]
        if 0.0 < direct <= r:
            values.append(float(direct))
        elif 0.0 < extrapolated <= r:
            values.append(float(extrapolated))
            fitted += [r] if used else []
        else:
            values.append(last)
            fixed += [r] if used else []
    for way, of in (("extrapolated", fitted), ("fixed", fixed)):
        if of:
            logger.warning(
                "order %d: counts of counts %s give no discount for %s; %s: %s",
                order, n[1 : needed + 1], " and ".join(f"D{r}" for r in of),
                way, ", ".join(f"{values[r - 1]:.4g}" for r in of),
            )  # fmt: skip
    return Discounts(tuple(values), tuple(fitted), tuple(fixed))


def fitted_line(n: Sequence[float]) -> list[float] | None:
    """n_r = A·r^b by least squares on the logarithms of those n_1, n_2, … that are not zero; None if only one is.

    n[0] means nothing, here and in what comes out.
    """
    points = [(np.log(r), np.log(value)) for r, value in enumerate(n) if r and value]
    if len(points) < 2:
        return None
    x, y = np.array(points).T
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    level = float(y.mean() - slope * x.mean())
    return [0.0, *(float(np.exp(level + slope * np.log(r))) for r in range(1, len(n)))]
