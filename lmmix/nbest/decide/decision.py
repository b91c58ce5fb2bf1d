"""Which text is chosen when all hypotheses of a list have their weighted sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from lmmix.errors import SettingError
from lmmix.nbest.decide.pairwise import LOSSES
from lmmix.nbest.decide.posteriors import check_temperature
from lmmix.nbest.lists import NbestLists


@dataclass(frozen=True)
class DecisionSettings:
    """How to choose.

    Attributes
    ----------
    rule : str
        See RULES.
    temperature : float, optional
        Posteriors are ∝ exp(total / temperature); only for rules that use them. None leaves it to tuning, or is 1.
    loss : str, optional
        The metric of which minimum Bayes risk expects the least loss (see `pairwise.LOSSES`). None leaves it to
        tuning, or is that of words.
    """

    rule: str = "best"
    temperature: float | None = None
    loss: str | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SettingError(f"there is no rule {self.rule!r} to decide by; there are {', '.join(RULES)}")
        if self.temperature is not None:
            check_temperature(self.temperature)
        if self.loss is not None and self.loss not in LOSSES:
            raise SettingError(f"there is no risk of {self.loss!r}; there are {', '.join(LOSSES)}")


def loss_like(metric: str) -> str | None:
    """The loss that is the metric of that name, or stands for it but for details; None if none does."""
    kind = metric.partition(":")[0]
    return "chrf" if kind == "chrf++" else kind if kind in LOSSES else None


@dataclass(frozen=True)
class Decision:
    """What was chosen: (U,) int64 hypotheses, −1 where the text is none of the list, and U texts."""

    best: np.ndarray
    texts: list[str]


RULES = {
    "best": "lmmix.nbest.decide.highest:highest",
    "mbr": "lmmix.nbest.decide.mbr:mbr",
    "vote": "lmmix.nbest.decide.voting:vote",
}
"""Rules by name; each is a function of lists, totals (H,) and settings."""


def decide(lists: NbestLists, total: np.ndarray, settings: DecisionSettings) -> Decision:
    """Choose one text for each list, by the rule of `settings`."""
    module, function = RULES[settings.rule].split(":")
    rule: Callable[[NbestLists, np.ndarray, DecisionSettings], Decision] = getattr(import_module(module), function)
    return rule(lists, total, settings)
