"""Strings of pieces as a tree: those that begin alike share a path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Trie:
    """Strings of pieces, numbered from `first`, none empty; node 0 is the empty string.

    Attributes
    ----------
    count : int
        The number behind that of the last string.
    piece : (nodes,) int32
        The piece that leads to each node; at node 0 it means nothing.
    string : (nodes,) int64
        The string that ends at each node, 0 where none does; `first` must be above 0.
    """

    def __init__(self, strings: Sequence[Sequence[int]], first: int = 1) -> None:
        after: dict[tuple[int, int], int] = {}
        ends = []
        for pieces in strings:
            node = 0
            for piece in pieces:
                node = after.setdefault((node, piece), len(after) + 1)
            ends.append(node)
        self.count = first + len(strings)
        self.piece = np.zeros(len(after) + 1, np.int32)
        parent = np.full(len(after) + 1, -1)
        for number, (before, piece) in enumerate(after, 1):
            parent[number], self.piece[number] = before, piece
        self.string = np.zeros(len(after) + 1, np.int64)
        self.string[ends] = np.arange(first, self.count)
        self._children = np.argsort(parent, kind="stable")[1:]
        self._begin = np.searchsorted(parent[self._children], np.arange(len(parent) + 1))

    def children(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) the children of all `nodes` (n,), and (m,) the row in `nodes` of the parent of each."""
        counts = self._begin[nodes + 1] - self._begin[nodes]
        rows = np.repeat(np.arange(len(nodes)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._children[self._begin[nodes][rows] + within], rows
