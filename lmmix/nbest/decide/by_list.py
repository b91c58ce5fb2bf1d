"""Rules that look at one list at a time, at several temperatures at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from lmmix.nbest.decide.decision import Decision, DecisionSettings
from lmmix.nbest.lists import NbestLists

TEMPERATURE = 1.0
"""Of posteriors where settings say none."""

ListRule = Callable[[Sequence[str], np.ndarray, np.ndarray, DecisionSettings], list[tuple[int, str]]]
"""A function of the n texts of a list, (n,) totals, (G,) temperatures and settings, whose temperature does not count.

It gives for each temperature the place in the list, −1 if the text is not in it, and the text.
"""


def decide_by_list(rule: ListRule, lists: NbestLists, total: np.ndarray, settings: DecisionSettings) -> Decision:
    """What `rule` chooses from each list by the totals (H,) and the temperature of `settings`."""
    temperature = np.array([TEMPERATURE if settings.temperature is None else settings.temperature])
    best, texts = np.empty(len(lists), np.int64), []
    for u, (lo, hi) in enumerate(pairwise(lists.offsets)):
        [(place, text)] = rule(lists.texts[lo:hi], total[lo:hi], temperature, settings)
        best[u] = lo + place if place >= 0 else -1
        texts.append(text)
    return Decision(best, texts)
