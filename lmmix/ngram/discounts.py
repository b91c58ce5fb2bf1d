"""The three discounts of modified Kneser–Ney smoothing, and what to do where they cannot be estimated."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

logger = logging.getLogger("lmmix")

FALLBACK = (0.5, 1.0, 1.5)
"""D1, D2, D3+ where counts of counts give none (the values of KenLM's --discount_fallback)."""


@dataclass(frozen=True)
class Discounts:
    """D1, D2 and D3+ of one order; `fallback` names those that counts of counts could not give."""

    values: tuple[float, float, float]
    fallback: tuple[str, ...] = ()

    def table(self) -> np.ndarray:
        """(4,) float64: the discount of counts 0, 1, 2 and of 3 and more."""
        return np.array([0.0, *self.values])


def modified_kn_discounts(counts_of_counts: np.ndarray, order: int) -> Discounts:
    """Discounts from counts of counts: Chen & Goodman (1999), equation 26.

    Y = n1 / (n1 + 2 n2), D_r = r − (r + 1) Y n_{r+1} / n_r for r = 1, 2, 3.

    Parameters
    ----------
    counts_of_counts : (5,) int64
        Entry r is the number of n-grams with adjusted count r; entry 0 is not used.
    order : int
        Only for the log.

    A discount whose counts of counts are zero, or that falls outside (0, r], takes the fallback value; this
    is logged as a warning.
    """
    n = [int(value) for value in counts_of_counts]
    values, failed = [], []
    for r in (1, 2, 3):
        value = np.nan
        if n[1] and n[2] and n[r]:
            value = r - (r + 1) * n[1] / (n[1] + 2 * n[2]) * n[r + 1] / n[r]
        if not 0.0 < value <= r:
            value = FALLBACK[r - 1]
            failed.append(f"D{r}")
        values.append(float(value))
    if failed:
        logger.warning(
            "order %d: %s cannot be estimated from counts of counts %s; using %s",
            order, ", ".join(failed), n[1:], ", ".join(f"{v:g}" for v in values),
        )  # fmt: skip
    return Discounts((values[0], values[1], values[2]), tuple(failed))
