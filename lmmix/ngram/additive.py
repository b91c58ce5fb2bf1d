"""Additive smoothing (Lidstone 1920; δ = 1 is Laplace's rule), backing off as SRILM's -addsmooth does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.smoothing import BACKOFF, OrderCounts


@dataclass(frozen=True)
class AdditiveRule:
    """α = (c + δ) / (C(h) + δ·E), E the number of words with a probability."""

    delta: float
    events: int

    @property
    def discount(self) -> np.ndarray:
        """What is taken away is −δ, for each word that occurs."""
        return np.array([0.0, -self.delta])

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Rule`."""
        added = self.delta * self.events
        denominator = total + added
        return denominator, (added + taken) / denominator

    def parameters(self) -> dict[str, Any]:
        """δ."""
        return {"delta": self.delta}

    def notes(self) -> dict[str, str]:
        """None: δ is part of the name."""
        return {}


@dataclass(frozen=True)
class Additive:
    """δ is added to every count; back-off only."""

    delta: float
    forms: tuple[str, ...] = (BACKOFF,)
    continuation: bool = False
    fractional: bool = True

    @property
    def name(self) -> str:
        """With its δ."""
        return f"add:{self.delta:g}"

    def rule(self, counts: OrderCounts) -> AdditiveRule:
        """The same δ for all orders."""
        return AdditiveRule(self.delta, counts.events)


def additive(delta: float = 1.0) -> Additive:
    """Additive smoothing. Raises SettingError unless δ is positive."""
    if not 0 < delta < np.inf:
        raise SettingError(f"add adds {delta:g} to each count; it must be more than 0")
    return Additive(delta)
