"""The temperature of posteriors with which a rule decides best, found on lists with references."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.metrics.metric import Metric, loss
from lmmix.nbest.decide.by_list import ListRule
from lmmix.nbest.decide.decision import DecisionSettings
from lmmix.nbest.decide.mbr import least_risks
from lmmix.nbest.decide.voting import voted_texts
from lmmix.nbest.lists import NbestLists
from lmmix.progress import task

LIST_RULES: dict[str, ListRule] = {"mbr": least_risks, "vote": voted_texts}
"""The rules that use posteriors."""

GRID = 2.0 ** np.arange(-4.0, 4.25, 0.5)
"""Temperatures that are tried, as parts of the typical spread of totals in a list."""


def find_temperature(
    lists: NbestLists, total: np.ndarray, metric: Metric, settings: DecisionSettings
) -> tuple[float, float]:
    """The temperature of a grid with which the rule of `settings` makes the least loss, and this loss.

    The grid is GRID times the typical standard deviation of the totals (H,) in a list. Where several temperatures
    next to each other are equally good, it is the one in the middle of the longest such row. Each list is gone through
    once for all temperatures. Raises InputError without references, SettingError for a rule without posteriors.
    """
    if settings.rule not in LIST_RULES:
        raise SettingError(f"the rule {settings.rule!r} has no temperature; {', '.join(LIST_RULES)} have")
    lists.check_references()
    temperatures = GRID * spread(total[lo:hi] for lo, hi in pairwise(lists.offsets))
    sums = np.zeros((len(GRID), len(metric.columns)))
    with task("temperature", len(lists)) as advance:
        for u in range(len(lists)):
            sums += _statistics(lists, total, metric, settings, u, temperatures)
            advance(1)
    losses = loss(metric, sums)
    best = _middle_of_the_longest(losses == losses.min())
    return float(temperatures[best]), float(losses[best])


def spread(totals: Iterable[np.ndarray]) -> float:
    """Typical standard deviation of the totals in a list, given those (n,) of each; 1 if they never vary."""
    spreads = [total.std() for total in totals if len(total) > 1]
    return float(np.mean(spreads)) if np.any(spreads) else 1.0


def _statistics(
    lists: NbestLists,
    total: np.ndarray,
    metric: Metric,
    settings: DecisionSettings,
    utterance: int,
    temperatures: np.ndarray,
) -> np.ndarray:
    """(G, k) statistics of what is chosen from one list at each temperature."""
    lo, hi = lists.offsets[utterance], lists.offsets[utterance + 1]
    chosen = LIST_RULES[settings.rule](lists.texts[lo:hi], total[lo:hi], temperatures, settings)
    texts = list(dict.fromkeys(text for _, text in chosen))
    statistics = metric.statistics(lists.utterances[utterance].refs, texts)
    return statistics[[texts.index(text) for _, text in chosen]]


def _middle_of_the_longest(true: np.ndarray) -> int:
    """The middle of the longest row of neighbours that are `true`, the first of equals."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest] + ends[longest] - 1) // 2
