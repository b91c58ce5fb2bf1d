"""Witten–Bell smoothing (Witten & Bell 1991, method C): as many events are new as there were new ones so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.ngram.smoothing import BACKOFF, INTERPOLATED, OrderCounts


@dataclass(frozen=True)
class WittenBellRule:
    """α = c / (C(h) + T(h)), T(h) the number of different words after h."""

    @property
    def discount(self) -> np.ndarray:
        """Nothing is taken from the counts."""
        return np.zeros(1)

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Rule`."""
        denominator = total + types
        return denominator, (types + taken) / denominator

    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    def notes(self) -> dict[str, str]:
        """None."""
        return {}


@dataclass(frozen=True)
class WittenBell:
    """Witten–Bell smoothing, interpolated or back-off."""

    name: str = "wb"
    forms: tuple[str, ...] = (INTERPOLATED, BACKOFF)
    continuation: bool = False
    fractional: bool = True

    def rule(self, counts: OrderCounts) -> WittenBellRule:
        """The same for all orders."""
        return WittenBellRule()


def witten_bell() -> WittenBell:
    """Witten–Bell smoothing; takes no numbers."""
    return WittenBell()
