"""Trees that hold the suffixes of all their n-grams: models of other tools and pruned ones may lack some."""

from __future__ import annotations

import numpy as np

from lmmix.ngram import _query_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree


def is_closed(tree: NgramTree) -> bool:
    """Whether the n-gram without its first word is in the tree for every n-gram."""
    return not any(len(_without_suffix(tree, order)) for order in range(3, tree.order + 1))


def with_suffixes(model: BackoffModel) -> BackoffModel:
    """`model` with all suffixes of its n-grams; `model` itself if it has them.

    What is added gets the probability that the model gives it by back-off, and the back-off weight 1, so all
    probabilities stay the same; only `hit_lengths` may tell the difference.
    """
    if is_closed(model.tree):
        return model
    missing = _missing_suffixes(model)
    level = model.tree.level.copy()
    for order, rows in missing.items():
        level[order + 1 :] += len(rows)
    parts = _Merger(model, level)
    for order in range(2, model.order + 1):
        parts.add(order, missing.get(order, np.zeros((0, order), np.int32)))
    return parts.finish()


def _without_suffix(tree: NgramTree, order: int) -> np.ndarray:
    """The nodes of an order whose suffix link leads to something shorter than the n-gram without its first word."""
    nodes = tree.nodes(order)
    return nodes.start + np.flatnonzero(tree.suffix[nodes] < tree.level[order - 1])


def _missing_suffixes(model: BackoffModel) -> dict[int, np.ndarray]:
    """By order, the words (rows, order) int32 of all n-grams to add; what is added needs its suffixes, too."""
    tree = model.tree
    missing: dict[int, np.ndarray] = {}
    added = np.zeros((0, tree.order), np.int32)
    for order in range(tree.order, 2, -1):
        wanted = np.concatenate([_words(tree, _without_suffix(tree, order), order), added])[:, 1:]
        wanted = np.unique(wanted, axis=0)
        added = wanted[_fold(model, wanted)[1] < tree.level[order - 1]]
        if len(added):
            missing[order - 1] = added
    return missing


def _words(tree: NgramTree, nodes: np.ndarray, order: int) -> np.ndarray:
    """(n, order) int32: the words of some nodes of one order."""
    ids = np.empty((len(nodes), order), np.int32)
    for k in range(order - 1, -1, -1):
        ids[:, k] = tree.word[nodes]
        nodes = _contexts(tree, nodes)
    return ids


def _contexts(tree: NgramTree, nodes: np.ndarray) -> np.ndarray:
    return np.searchsorted(tree.begin, nodes.astype(np.int32), "right") - 1


def _fold(model: BackoffModel, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ln p of the last word after the others, the node of the longest known suffix) of each row of words."""
    logp, state = np.zeros(len(ids)), np.zeros(len(ids), np.int32)
    for column in ids.T:
        logp, state = model.follow(state, column)
    return logp, state


class _Merger:
    """The tree of a model and of further n-grams, order by order."""

    def __init__(self, model: BackoffModel, level: np.ndarray) -> None:
        self.old = model
        self.level = level
        tree, unigrams = model.tree, slice(0, int(level[2]))
        self.number = np.arange(tree.size)
        self.word = [tree.word[unigrams]]
        self.begin = [np.ones(1, np.int32)]
        self.suffix = np.zeros(level[-1], np.int32)
        self.logp = [model.logp[unigrams]]
        self.backoff = [model.backoff[unigrams]]

    def add(self, order: int, ids: np.ndarray) -> None:
        """Merge the n-grams of an order with those of the model, whose new numbers go to `number`."""
        tree, nodes = self.old.tree, self.old.tree.nodes(order)
        word = np.concatenate(self.word)
        begin = np.append(np.concatenate(self.begin), np.int32(len(word)))
        above = np.empty(len(ids), np.int32)
        kernels._find_contexts(ids, word, begin, above)
        context = np.concatenate([self.number[_contexts(tree, np.arange(nodes.start, nodes.stop))], above])
        last = np.concatenate([tree.word[nodes], ids[:, -1]])
        rows = np.argsort((context << 32) | last, kind="stable")
        first = int(self.level[order])
        place = np.empty(len(rows), np.int64)
        place[rows] = first + np.arange(len(rows))
        self.number[nodes] = place[: len(rows) - len(ids)]
        self._extend(order, context[rows], last[rows])
        self.logp.append(np.concatenate([self.old.logp[nodes], _fold(self.old, ids)[0]])[rows])
        if order < tree.order:
            self.backoff.append(np.concatenate([self.old.backoff[nodes], np.zeros(len(ids))])[rows])

    def _extend(self, order: int, context: np.ndarray, last: np.ndarray) -> None:
        first = int(self.level[order])
        parents = np.arange(self.level[order - 1], self.level[order])
        self.begin.append(first + np.searchsorted(context, parents).astype(np.int32))
        self.word.append(last)
        word = np.concatenate(self.word)
        begin = np.append(np.concatenate(self.begin), np.int32(len(word)))
        missing = np.empty(len(last), np.int32)
        kernels._link_suffixes(word, begin, self.suffix, context, first, missing)

    def finish(self) -> BackoffModel:
        """The merged model."""
        begin = np.append(np.concatenate(self.begin), np.int32(self.level[-1]))
        tree = NgramTree(self.level, np.concatenate(self.word), begin, self.suffix)
        backoff = np.concatenate(self.backoff)
        return BackoffModel(tree, np.concatenate(self.logp), backoff, self.old.vocab, self.old.signature)
