"""What the sentences of a text have in common at their beginnings, so that a network need read it only once.

In lexicographic order, sentences with a common prefix are neighbours, and how many events each shares with the one
before it says all about the trie of their prefixes (Manber & Myers 1993 do the same with suffixes). The hypotheses of
an n-best list differ in few words; what several share is read depth by depth, and the rest of each as a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.batches import Pieces
from lmmix.vocab import BOS

GROUP_EVENTS = 1 << 15
"""Events of the sentences that are read as one trie, about; bounds what the network has to remember at a time."""

PIECE_SENTENCES = 1 << 16
"""Sentences that are compared at a time."""


class Depth(NamedTuple):
    """The prefixes of one length that several sentences share, or that are empty: N of them.

    Attributes
    ----------
    parents : (N,) int64
        Their places among those one event shorter.
    inputs : (N,) int64
        What the network reads last: their last events, `<s>` for the empty prefix.
    rows, places : (E,) int64
        For each different event that follows one of them: which one, ascending, and a place of the event in the text.
    runs : Pieces
        How the sentences go on that share no longer prefix with another, behind the event that follows here.
    run_rows : (R,) int64
        The prefix that each run goes on from.
    """

    parents: np.ndarray
    inputs: np.ndarray
    rows: np.ndarray
    places: np.ndarray
    runs: Pieces
    run_rows: np.ndarray


@dataclass
class SharedPrefixes:
    """The sentences of a text in lexicographic order.

    Attributes
    ----------
    ids : (T,) int32
        The events of the text.
    begin, length : (S,) int64
        Where each sentence begins in `ids`, and its events.
    shared : (S,) int64
        The first events that it has in common with the sentence before it: all if it is the same, 0 for the first, and
        for the first of each group.
    groups : list of (n,) int64
        The different sentences, by their numbers here, in stretches that are read as tries of their own.
    """

    ids: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    shared: np.ndarray
    groups: list[np.ndarray]

    @classmethod
    def of(cls, corpus: Corpus) -> SharedPrefixes:
        """The sentences of `corpus`, one at least."""
        ids, offsets = corpus.ids, corpus.offsets
        # The bytes of big-endian numbers compare as the numbers do.
        content, width = ids.astype(">i4").tobytes(), 4
        bounds = (offsets * width).tolist()
        order = np.array(sorted(range(len(bounds) - 1), key=lambda s: content[bounds[s] : bounds[s + 1]]))
        begin, length = offsets[order], np.diff(offsets)[order]
        shared = _shared_with_before(ids, begin, length)
        different = np.flatnonzero(shared < length)
        number = (np.cumsum(length[different]) - 1) // GROUP_EVENTS
        groups = np.split(different, np.flatnonzero(np.diff(number)) + 1)
        shared[[group[0] for group in groups]] = 0
        return cls(ids, begin, length, shared, groups)

    @property
    def events(self) -> int:
        """Events that differ in themselves or in what stands before them in their sentence."""
        return int((self.length - self.shared).sum())

    def depths(self, group: np.ndarray) -> Iterator[Depth]:
        """The trie of the sentences of a group, from the empty prefix on."""
        begin, length, shared = self.begin[group], self.length[group], self.shared[group]
        # The longest prefix that a sentence shares with a neighbour; the empty one is everybody's.
        deepest = np.maximum(shared, np.append(shared[1:], 0))
        alive, node = np.arange(len(group)), np.zeros(len(group), np.int64)
        for depth in range(int(deepest.max()) + 1):
            going_on = deepest[alive] >= depth
            alive, parent = alive[going_on], node[going_on]
            first = shared[alive] < depth
            first[0] = True
            node = np.cumsum(first) - 1
            before = begin[alive[first]] + depth - 1
            inputs = self.ids[before].astype(np.int64) if depth else np.full(1, BOS)
            fresh = shared[alive] <= depth
            last = (deepest[alive] == depth) & (length[alive] > depth + 1)
            tails = alive[last]
            runs = Pieces(self.ids, begin[tails] + depth + 1, begin[tails] + length[tails], np.zeros(len(tails), bool))
            yield Depth(parent[first], inputs, node[fresh], begin[alive[fresh]] + depth, runs, node[last])

    def spread(self, values: np.ndarray) -> None:
        """Give the events that a sentence shares with the one before it the `values` (T,) that they have there."""
        begin, shared = self.begin.tolist(), self.shared.tolist()
        for before, here, n in zip(begin, begin[1:], shared[1:]):
            values[here : here + n] = values[before : before + n]


def _shared_with_before(ids: np.ndarray, begin: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(S,) how many of its first events each sentence has in common with the one before it."""
    shared = np.zeros(len(begin), np.int64)
    for start in range(1, len(begin), PIECE_SENTENCES):
        here = slice(start, start + PIECE_SENTENCES)
        before = slice(start - 1, min(start + PIECE_SENTENCES, len(begin)) - 1)
        common = np.minimum(length[here], length[before])
        ends = np.cumsum(common)
        step = np.arange(ends[-1]) - np.repeat(ends - common, common)
        same = ids[np.repeat(begin[here], common) + step] == ids[np.repeat(begin[before], common) + step]
        shared[here] = np.minimum.reduceat(np.where(same, np.repeat(common, common), step), ends - common)
    return shared
