"""The distinct joint histories of several back-off models as a tree; `joint` says what they are and goes through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lmmix.ngram.backoff import BackoffModel


@dataclass(frozen=True)
class JointTree:
    """Distinct joint histories, depth first, with those above them.

    Attributes
    ----------
    parent : (J,) int64
        The history above, -1 at the root.
    depth : (J,) int64
        0 at the root.
    contexts : (J, K) int32
        The contexts whose words are explicit here, -1 for models that have the context of the history above.
    backoff : (J, K) float64
        Logarithm of the back-off from each of these, 0 elsewhere.
    """

    parent: np.ndarray
    depth: np.ndarray
    contexts: np.ndarray
    backoff: np.ndarray


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of (n, K) in some order, and (n,) which of them each row is."""
    which = np.zeros(len(rows), np.int64)
    for column in rows.T:
        _, which = np.unique(which * (1 << 31) + column, return_inverse=True)
    first = np.zeros(int(which.max(initial=-1)) + 1, np.int64)
    first[which] = np.arange(len(rows))
    return rows[first], which


def joint_tree(models: Sequence[BackoffModel], contexts: np.ndarray) -> tuple[JointTree, np.ndarray]:
    """The tree of distinct joint histories (J', K), and (J',) where each of them is in it.

    `contexts` must hold the empty ones.
    """
    steps = []
    pool = contexts
    for length in range(max(model.order for model in models) - 1, 0, -1):
        own, above = np.full(pool.shape, -1, np.int32), pool.copy()
        for k, model in enumerate(models):
            if length >= model.order:
                continue
            moves = _of_length(model, pool[:, k], length)
            own[moves, k] = pool[moves, k]
            above[moves, k] = _suffixes(model, pool[moves, k], length)
        taken = (own >= 0).any(axis=1)
        pool, which = distinct_rows(above)
        steps.append((own[taken], taken, which))
    root = np.full((1, len(models)), -1, np.int32)
    numbers, parent, depth, moved = np.zeros(1, np.int64), np.array([-1]), np.zeros(1, np.int64), [root]
    for own, taken, which in reversed(steps):
        above_numbers = numbers[which]
        numbers = above_numbers.copy()
        numbers[taken] = len(parent) + np.arange(len(own))
        parent = np.append(parent, above_numbers[taken])
        depth = np.append(depth, depth[above_numbers[taken]] + 1)
        moved.append(own)
    own = np.concatenate(moved)
    place = _depth_first(parent, [len(part) for part in moved])
    order = np.argsort(place)
    parent = np.where(parent >= 0, place[parent], -1)[order]
    return JointTree(parent, depth[order], own[order], _backoffs(models, own[order])), place[numbers]


def _of_length(model: BackoffModel, nodes: np.ndarray, length: int) -> np.ndarray:
    """Which of some contexts have so many words."""
    level = model.tree.level
    return (nodes >= level[length]) & (nodes < level[length + 1])


def _suffixes(model: BackoffModel, nodes: np.ndarray, length: int) -> np.ndarray:
    """The suffix of each context of so many words; the empty context where a damaged tree has something longer."""
    suffix = model.tree.suffix[nodes]
    return np.where((suffix >= 0) & (suffix < model.tree.level[length]), suffix, 0)


def _backoffs(models: Sequence[BackoffModel], contexts: np.ndarray) -> np.ndarray:
    out = np.zeros(contexts.shape)
    for k, model in enumerate(models):
        some = contexts[:, k] >= 0
        out[some, k] = model.backoff[contexts[some, k]]
    return out


def _depth_first(parent: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """(J,) the place of each node in a walk through the tree that visits what is below a node right behind it.

    Nodes are in groups of the given sizes; the parent of a node is in a group before.
    """
    edges = np.append(0, np.cumsum(groups)).tolist()
    size = np.ones(len(parent), np.int64)
    for lo, hi in zip(edges[-2:0:-1], edges[:1:-1]):
        np.add.at(size, parent[lo:hi], size[lo:hi])
    place = np.zeros(len(parent), np.int64)
    free = np.ones(len(parent), np.int64)
    for lo, hi in pairwise(edges[1:]):
        nodes = lo + np.argsort(parent[lo:hi], kind="stable")
        before = np.cumsum(size[nodes]) - size[nodes]
        siblings = parent[nodes]
        first = np.searchsorted(siblings, siblings)
        place[nodes] = free[siblings] + before - before[first]
        free[nodes] = place[nodes] + 1
        np.add.at(free, siblings, size[nodes])
    return place
