"""Renormalising a back-off model: every context sums to 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lmmix.errors import InputError
from lmmix.lm import NO_DISTRIBUTION
from lmmix.ngram import _prune_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map

PIECE_CONTEXTS = 1 << 16
"""Contexts a thread works on at a time."""


def renormalise(model: BackoffModel, threads: int | None = None) -> BackoffModel:
    """`model` with all back-offs computed anew from the explicit probabilities, so that every context sums to 1.

    Unigrams are divided by their sum. From there up, the back-off of a context h is
    (1 − Σ p(w | h)) / (1 − Σ p(w | h′)) over the words w that follow it, h′ being h without its first word; 1 for a
    context without n-grams. Where no back-off makes the sum 1 – the n-grams have more than all mass, or follow with
    every word – the n-grams are scaled to what the back-off (0 or 1) leaves them. Raises InputError if all unigrams
    have probability 0.
    """
    normal = normalised(model, threads)[0]
    normal.signature += "|renormalised"
    return normal


def normalised(model: BackoffModel, threads: int | None) -> tuple[BackoffModel, np.ndarray]:
    """The model, and (M,) ln p(w | h′) of each n-gram hw; -inf for unigrams."""
    tree = model.tree
    logp, backoff = np.array(model.logp, np.float64), np.array(model.backoff, np.float64)
    lower = np.full(tree.size, -np.inf)
    logp[0] = 0.0
    unigrams = tree.nodes(1)
    mass = np.exp(logp[unigrams]).sum()
    if mass <= 0.0:
        raise InputError("all unigrams have probability 0, so the model cannot be normalised")
    logp[unigrams] -= np.log(mass)
    backoff[:1] = 0.0
    for n in range(2, tree.order + 1):

        def renormalise_piece(lo: int, hi: int) -> None:
            kernels._renormalise(tree.level, tree.begin, tree.suffix, lo, hi, logp, backoff, lower)

        over_contexts(tree, n, renormalise_piece, threads)
    # Whatever the numbers were, they are probabilities now.
    signature = model.signature.replace(f"|{NO_DISTRIBUTION}", "")
    return BackoffModel(tree, logp, backoff, model.vocab, signature), lower


def over_contexts(tree: NgramTree, order: int, work: Callable[[int, int], None], threads: int | None) -> None:
    """work(lo, hi) for pieces of the contexts of n-grams of `order`."""
    start = tree.nodes(order - 1).start
    pieces = cut(tree.nodes(order - 1).stop - start, PIECE_CONTEXTS)
    thread_map(lambda piece: work(start + piece[0], start + piece[1]), pieces, threads)
