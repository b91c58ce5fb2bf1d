"""Minimum Bayes risk: the hypothesis that is expected to be least wrong (Kumar & Byrne 2004)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.nbest.decide.by_list import decide_by_list
from lmmix.nbest.decide.decision import Decision, DecisionSettings
from lmmix.nbest.decide.pairwise import LOSSES
from lmmix.nbest.decide.posteriors import ballot
from lmmix.nbest.lists import NbestLists

SAME_RISK = 1e-9
"""Risks that differ by less than this part of the largest one are equal."""


LOSS = "wer"
"""The loss where settings say none."""


def mbr(lists: NbestLists, total: np.ndarray, settings: DecisionSettings) -> Decision:
    """The hypothesis with the least expected loss of each list; of equals the one with the highest `total` (H,)."""
    return decide_by_list(least_risks, lists, total, settings)


def least_risks(
    texts: Sequence[str], total: np.ndarray, temperatures: np.ndarray, settings: DecisionSettings
) -> list[tuple[int, str]]:
    """For each of G temperatures the place and the text that are chosen from one list.

    The risk of a text is Σ p(other) · loss(text, other) over all texts of the list that have a say.
    """
    votes = ballot(texts, total, temperatures)
    heard = np.flatnonzero(votes.masses.any(axis=0))
    losses = LOSSES[settings.loss or LOSS](votes.words, heard)
    risks = votes.masses[:, heard] @ losses.T
    width = SAME_RISK * np.abs(losses).max()
    places = [votes.place[np.argmax(risk <= risk.min() + width)] for risk in risks]
    return [(int(place), texts[place]) for place in places]
