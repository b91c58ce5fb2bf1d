"""The probabilities of all spellings behind some histories, by a walk through the tree of their pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lmmix.lm import LanguageModel, State, taken
from lmmix.vocab import EOS
from lmmix.words.masses import block_rows
from lmmix.words.trie import Trie


class _Branch(NamedTuple):
    """Nodes of one depth that are still to be looked at.

    The state before the piece of node i is row `row[i]` of `before`; `history[i]` is the history that it is for, and
    `p[i]` the probability of its string of pieces behind it.
    """

    before: State
    row: np.ndarray
    history: np.ndarray
    node: np.ndarray
    p: np.ndarray

    def blocks(self, size: int) -> Iterator[_Branch]:
        """This branch in parts of at most `size` nodes."""
        for start in range(0, len(self.node), size):
            yield _Branch(self.before, *(array[start : start + size] for array in self[1:]))


def string_probabilities(
    model: LanguageModel, state: State, histories: int, trie: Trie, closing: np.ndarray
) -> np.ndarray:
    """(n, trie.count) probability of each string behind each of n = `histories`, and of an end of the word behind it.

    That is p(string | h) · Σ p(piece | h string) over the pieces in `closing` (V,) bool. Behind a string that ends in
    `</s>` nothing is asked for. Numbers that are no string have 0. Nodes are looked at in blocks, depth first, so the
    states of only a few blocks exist at a time.
    """
    out = np.zeros((histories, trie.count))
    size = block_rows(model)
    rows = np.arange(histories)
    root = _Branch(state, rows, rows, np.zeros(histories, np.int64), np.ones(histories))
    pending = list(root.blocks(size))
    while pending:
        branch = pending.pop()
        after = taken(model, branch.before, branch.row)
        if branch.node[0] != 0:
            after = model.advance(after, trie.piece[branch.node])[1]
        pending.extend(_look(model, after, branch, trie, closing, out).blocks(size))
    return out


def _look(
    model: LanguageModel, state: State, branch: _Branch, trie: Trie, closing: np.ndarray, out: np.ndarray
) -> _Branch:
    """Note in `out` the strings that end at the nodes of a branch; `state` is behind them. Gives their children."""
    distribution = model.distribution(state)
    string = trie.string[branch.node]
    ends = np.flatnonzero(string)
    out[branch.history[ends], string[ends]] = branch.p[ends] * (distribution @ closing.astype(np.float64))[ends]
    node, parent = trie.children(branch.node)
    piece = trie.piece[node]
    history, p = branch.history[parent], branch.p[parent] * distribution[parent, piece]
    last = piece == EOS
    out[history[last], trie.string[node[last]]] = p[last]
    going = np.flatnonzero(~last & (p > 0))
    return _Branch(state, parent[going], history[going], node[going], p[going])
