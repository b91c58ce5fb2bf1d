"""Word voting: in each place the word that the most probable texts agree on (ROVER, consensus)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.nbest.decide.by_list import decide_by_list
from lmmix.nbest.decide.confusion import confusion_network
from lmmix.nbest.decide.decision import Decision, DecisionSettings
from lmmix.nbest.decide.posteriors import Ballot, ballot
from lmmix.nbest.lists import NbestLists


def vote(lists: NbestLists, total: np.ndarray, settings: DecisionSettings) -> Decision:
    """The words that win the vote of each list, whose hypotheses count as much as their totals (H,) say."""
    return decide_by_list(voted_texts, lists, total, settings)


def voted_texts(
    texts: Sequence[str], total: np.ndarray, temperatures: np.ndarray, settings: DecisionSettings
) -> list[tuple[int, str]]:
    """For each of G temperatures the text that wins the vote, with its place in the list if it has one, or −1."""
    votes = ballot(texts, total, temperatures)
    return [_elected(votes, masses, texts) for masses in votes.masses]


def _elected(votes: Ballot, masses: np.ndarray, texts: Sequence[str]) -> tuple[int, str]:
    words = confusion_network(votes.words, masses).best()
    if words not in votes.words:
        return -1, " ".join(words)
    place = int(votes.place[votes.words.index(words)])
    return place, texts[place]
