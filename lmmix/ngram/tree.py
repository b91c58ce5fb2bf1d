"""The one data structure of the n-gram family: all n-grams of all orders as aligned arrays.

Nodes are numbered breadth first: node 0 is the empty context, nodes 1…V the unigrams in order of word id,
then the bigrams sorted by their first and second word, and so on. So the n-grams that extend a context lie
side by side, sorted by their last word, and the number of a node says everything about it::

    level[n]  ≤ node < level[n + 1]     the nodes of order n
    begin[j] … begin[j + 1]             the children of node j: the n-grams with context j
    word[j]                             its last word
    suffix[j]                           the node without its first word

Counts, log-probabilities and back-offs are further arrays with the same numbering (the aligned arrays of
MITLM; Hsu & Glass 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmmix.scratch import IN_MEMORY, Scratch
from lmmix.vocab import BOS

MAX_NODES = 2**31 - 1
MAX_ORDER = 1000

PIECE_NODES = 1 << 22
"""Nodes that are looked at in one go."""


@dataclass(frozen=True)
class NgramTree:
    """The n-grams of orders 1…N over V words; M nodes in all, the empty context included.

    Attributes
    ----------
    level : (N + 2,) int64
        First node of each order; level[0] = 0, level[1] = 1, level[N + 1] = M.
    word : (M,) int32
        Last word of each node (0 at node 0, where it means nothing).
    begin : (level[N] + 1,) int32
        First child of each node below the highest order; begin[level[N]] = M.
    suffix : (M,) int32
        Node of the longest known proper suffix; 0 at unigrams.
    """

    level: np.ndarray
    word: np.ndarray
    begin: np.ndarray
    suffix: np.ndarray

    @property
    def order(self) -> int:
        """Length N of the longest n-grams."""
        return len(self.level) - 2

    @property
    def size(self) -> int:
        """Number of nodes M."""
        return int(self.level[-1])

    def counts(self) -> list[int]:
        """How many n-grams there are of each order, from 1."""
        return np.diff(self.level[1:]).tolist()

    def nodes(self, order: int) -> slice:
        """The nodes of one order."""
        return slice(int(self.level[order]), int(self.level[order + 1]))

    def starting_with_bos(self, order: int) -> slice:
        """The nodes of one order whose first word is `<s>`; they lie side by side."""
        lo, hi = 1 + BOS, 2 + BOS
        for _ in range(order - 1):
            lo, hi = int(self.begin[lo]), int(self.begin[hi])
        return slice(lo, hi)

    def selected(self, keep: np.ndarray, scratch: Scratch = IN_MEMORY) -> tuple[NgramTree, np.ndarray]:
        """The tree of some of its nodes, and (M',) the node here of each node there.

        `keep` is (M,) bool; a node is kept only if its context is. Node 0 and the unigrams always stay, whatever
        `keep` says. Suffix links lead to the longest suffix that is left.
        """
        keep = keep.copy()
        keep[: self.level[2]] = True
        number = scratch.empty(self.size + 1, np.int32)
        number[0] = 0
        np.cumsum(keep, out=number[1:])
        nodes = scratch.empty(int(number[-1]), np.int32)
        for start in range(0, self.size, PIECE_NODES):
            kept = start + np.flatnonzero(keep[start : start + PIECE_NODES])
            nodes[number[start] : number[start] + len(kept)] = kept
        suffix = scratch.taken(self.suffix, nodes)
        lost = np.flatnonzero(~keep[suffix])
        while len(lost):
            suffix[lost] = self.suffix[suffix[lost]]
            lost = lost[~keep[suffix[lost]]]
        level = number[self.level].astype(np.int64)
        begin = scratch.taken(number, scratch.taken(self.begin, np.append(nodes[: level[self.order]], np.int32(-1))))
        return NgramTree(level, scratch.taken(self.word, nodes), begin, scratch.taken(number, suffix)), nodes


def ids_of(word: np.ndarray, begin: np.ndarray, node: int) -> list[int]:
    """The ids of the words of one n-gram, of a tree that may still be growing; `begin` ends with the last children."""
    ids: list[int] = []
    while node:
        ids.append(int(word[node]))
        node = int(np.searchsorted(begin, np.int32(node), side="right")) - 1
    return ids[::-1]
