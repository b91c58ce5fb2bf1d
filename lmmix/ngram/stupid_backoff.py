"""Stupid back-off (Brants et al. 2007, "Large language models in machine translation"): scores, no probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram.smoothing import CONSTANT, OrderCounts


@dataclass(frozen=True)
class StupidRule:
    """S = c / C(h) for words seen after h, else a constant times S after the shorter context."""

    factor: float

    @property
    def discount(self) -> np.ndarray:
        """Nothing is taken from the counts."""
        return np.zeros(1)

    def shares(self, total: np.ndarray, taken: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Rule`; here γ is the constant, whatever is left."""
        return total, np.full(len(total), self.factor)

    def parameters(self) -> dict[str, Any]:
        """The constant."""
        return {"factor": self.factor}

    def notes(self) -> dict[str, str]:
        """None: the constant is part of the name."""
        return {}


@dataclass(frozen=True)
class StupidBackoff:
    """One factor for each step down.

    A word that the text lacks scores 0. Contexts that the model lacks cost nothing, since a back-off model has no
    place for their factor; it would be the same for all words.
    """

    factor: float
    forms: tuple[str, ...] = (CONSTANT,)
    continuation: bool = False
    fractional: bool = True

    @property
    def name(self) -> str:
        """With its factor."""
        return f"stupid:{self.factor:g}"

    def rule(self, counts: OrderCounts) -> StupidRule:
        """The same factor for all orders, but words that do not occur score 0."""
        return StupidRule(self.factor if counts.order > 1 else 0.0)


def stupid_backoff(factor: float = 0.4) -> StupidBackoff:
    """Stupid back-off. Raises SettingError unless the factor is in (0, 1]."""
    if not 0 < factor <= 1:
        raise SettingError(f"stupid backs off with the factor {factor:g}; it must be more than 0 and at most 1")
    return StupidBackoff(factor)
