"""The hypothesis with the highest sum."""

from __future__ import annotations

import numpy as np

from lmmix.nbest.decide.decision import Decision, DecisionSettings
from lmmix.nbest.lists import NbestLists


def highest(lists: NbestLists, total: np.ndarray, settings: DecisionSettings) -> Decision:
    """The hypothesis with the highest `total` (H,) of each list, the first of equals."""
    best = lists.best(total)
    return Decision(best, [lists.texts[i] for i in best])
