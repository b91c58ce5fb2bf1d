"""A tree that grows order by order from n-grams that come in any sequence, and more than once: unions of trees."""

from __future__ import annotations

import numpy as np

from lmmix.errors import InputError
from lmmix.ngram import _query_kernels as kernels
from lmmix.ngram.tree import MAX_NODES, NgramTree
from lmmix.parallel import cut, thread_map

PIECE_NODES = 1 << 18
"""Nodes whose suffixes a thread looks for at a time."""


class GrowingTree:
    """Begins with all words of the vocabulary as unigrams; `add` adds the n-grams of the next order.

    Attributes
    ----------
    level : list of int
        First node of each order there is, and the number of nodes; see `NgramTree`.
    word, begin, suffix
        As in `NgramTree`; `begin` ends with the end of the last children.
    """

    def __init__(self, words: int, threads: int | None = None) -> None:
        self.level = [0, 1, 1 + words]
        self.word = np.concatenate([np.zeros(1, np.int32), np.arange(words, dtype=np.int32)])
        self.begin = np.array([1, 1 + words], np.int32)
        self.suffix = np.zeros(1 + words, np.int32)
        self._threads = threads

    def add(self, context: np.ndarray, word: np.ndarray) -> np.ndarray:
        """The n-grams of the next order, as rows in any sequence; returns (rows,) int32, the node of each.

        `context` (rows,) is the node of the words but the last, `word` (rows,) the last. Rows that are the same
        n-gram get one node. Raises InputError if these are more nodes than a tree can have.
        """
        first, above = self.level[-1], self.level[-2]
        key = (context.astype(np.int64) << 32) | word
        # Linear where the rows are a few sorted runs, as those of trees are.
        rows = np.argsort(key, kind="stable")
        key = key[rows]
        new = np.diff(key, prepend=-1) > 0
        place = np.empty(len(key), np.int32)
        place[rows] = np.cumsum(new) + (first - 1)
        del rows
        key = key[new]
        if first + len(key) > MAX_NODES:
            raise InputError(f"these are {first + len(key)} n-grams, more than one model can hold ({MAX_NODES})")
        parent = key >> 32
        children = np.bincount(parent - above, minlength=first - above)
        self.level.append(first + len(key))
        self.word = np.append(self.word, (key & 0xFFFFFFFF).astype(np.int32))
        self.begin = np.append(self.begin, (first + np.cumsum(children)).astype(np.int32))
        self.suffix = np.append(self.suffix, np.zeros(len(key), np.int32))
        self._link_suffixes(parent, first)
        return place

    def _link_suffixes(self, parent: np.ndarray, first: int) -> None:
        def link(piece: tuple[int, int]) -> None:
            lo, hi = piece
            missing = np.empty(hi - lo, np.int32)
            kernels._link_suffixes(self.word, self.begin, self.suffix, parent[lo:hi], first + lo, missing)

        thread_map(link, cut(len(parent), PIECE_NODES), self._threads)

    def finished(self) -> NgramTree:
        """The tree of all that was added."""
        return NgramTree(np.array(self.level, np.int64), self.word, self.begin, self.suffix)
