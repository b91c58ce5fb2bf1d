"""Trees that hold the suffixes of all their n-grams: models of other tools and pruned ones may lack some."""

from __future__ import annotations

import numpy as np

from lmmix.ngram import _query_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.growing_tree import GrowingTree
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
    return _with_ngrams(model, _missing_suffixes(model))


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


def _with_ngrams(model: BackoffModel, added: dict[int, np.ndarray]) -> BackoffModel:
    """`model` with further n-grams, by order, that it lacks."""
    tree, growing = model.tree, GrowingTree(len(model.vocab), threads=1)
    number = np.arange(tree.size, dtype=np.int32)
    lowest = slice(0, int(tree.level[2]))
    logp, backoff = [model.logp[lowest]], [model.backoff[lowest]]
    for n in range(2, tree.order + 1):
        nodes, ids = tree.nodes(n), added.get(n, np.zeros((0, n), np.int32))
        above = np.empty(len(ids), np.int32)
        kernels._find_contexts(ids, growing.word, growing.begin, above)
        context = np.concatenate([number[_contexts(tree, np.arange(nodes.start, nodes.stop))], above])
        place = growing.add(context, np.concatenate([tree.word[nodes], ids[:, -1]]))
        number[nodes] = place[: len(place) - len(ids)]
        rows = place - growing.level[n]
        logp.append(_placed(rows, model.logp[nodes], _fold(model, ids)[0]))
        if n < tree.order:
            backoff.append(_placed(rows, model.backoff[nodes], np.zeros(len(ids))))
    numbers = np.concatenate(logp), np.concatenate(backoff)
    return BackoffModel(growing.finished(), *numbers, model.vocab, model.signature)


def _placed(rows: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    values = np.empty(len(rows))
    values[rows] = np.concatenate([old, new])
    return values
