"""How often each context of a back-off model comes up: P(h), which weighs what pruning does to it.

Three answers: by the model itself in the long run (`stationary_history`), the product of the conditional
probabilities of its words (`product_history`, as SRILM does), and that product by another model (`model_history`).
For Kneser–Ney models the product is wrong, since their lower orders are not marginals of the highest (Chelba et al.
2010, "Study on interaction between entropy pruning and Kneser-Ney smoothing").
"""

from __future__ import annotations

import numpy as np

from lmmix.ngram import _prune_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.vocab import BOS, EOS

TOLERANCE = 1e-3
MOST_PASSES = 100


def product_history(model: BackoffModel) -> np.ndarray:
    """(level[N],) ln P(h) of each context h as the product of the conditional probabilities of its words.

    `<s>`, which has no probability, counts as `</s>`: as many sentences begin as end.
    """
    tree = model.tree
    history = model.logp[: tree.level[tree.order]].copy()
    history[0] = 0.0
    history[1 + BOS] = history[1 + EOS]
    for n in range(2, tree.order):
        history[tree.nodes(n)] += _of_parents(tree, n, history)
    return history


def model_history(model: BackoffModel, other: BackoffModel) -> np.ndarray:
    """The same product by the model `other`, which must have the same events; EventSpaceError if not."""
    model.vocab.check_same_events(other.vocab, "the model", "the history model")
    tree = model.tree
    words = model.vocab.translation(other.vocab)[tree.word]
    history = np.zeros(int(tree.level[tree.order]))
    state = np.zeros(len(history), np.int32)
    for n in range(1, tree.order):
        nodes = tree.nodes(n)
        before = _of_parents(tree, n, state)
        logp, state[nodes] = other.advance(before, words[nodes])
        if n == 1:
            logp[BOS] = logp[EOS]
            state[1 + BOS] = other.start(1)[0]
        history[nodes] = _of_parents(tree, n, history) + logp
    return history


def _of_parents(tree: NgramTree, order: int, values: np.ndarray) -> np.ndarray:
    """The value of the context of each n-gram of `order`."""
    parents = tree.nodes(order - 1)
    children = np.diff(tree.begin[parents.start : parents.stop + 1])
    return np.repeat(values[parents], children)


def stationary_history(
    model: BackoffModel, lower: np.ndarray, tolerance: float = TOLERANCE, passes: int = MOST_PASSES
) -> np.ndarray:
    """(level[N],) ln P(h): how often the last words are h in an endless text that the model itself makes.

    That is the stationary distribution of the chain of sentences, each beginning behind the end of the one before,
    by the power method on the automaton of the model (as Roark, Allauzen & Riley 2013, "Smoothed marginal
    distribution constraints for language modeling"). Each pass takes the mean of old and new, so that chains with a
    period settle, too.

    Parameters
    ----------
    model : BackoffModel
        Normalised.
    lower : (M,) float64
        ln p(w | h′) of each n-gram hw, from `renormalised`.
    tolerance : float
        Passes stop when the probabilities of single words change by no more than this in all.
    passes : int
        The most passes.
    """
    tree = model.tree
    unigrams = tree.nodes(1)
    visits = np.zeros(int(tree.level[tree.order]))
    visits[unigrams] = np.exp(model.logp[unigrams])
    visits[1 + BOS] = visits[1 + EOS]
    ends = np.flatnonzero(tree.word[: len(visits)] == EOS)
    for _ in range(passes):
        after = _next_visits(model, lower, visits, ends)
        after[1 + BOS] = after[1 + EOS]
        change = np.abs(after - visits)[unigrams].sum()
        visits = (visits + after) / 2
        if change <= tolerance:
            break
    visits[0] = 1.0
    with np.errstate(divide="ignore"):
        return np.log(visits)


def _next_visits(model: BackoffModel, lower: np.ndarray, visits: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The probability of each n-gram below the highest order to be the last words, one word later."""
    tree = model.tree
    visits = visits.copy()
    visits[ends] = 0.0
    visits[0] = 1.0
    asked = visits.copy()
    for n in range(tree.order - 1, 0, -1):
        nodes = tree.nodes(n)
        kernels._fall_back(tree.suffix, model.backoff, visits, nodes.start, nodes.stop, asked)
    after = np.zeros(len(visits))
    for n in range(tree.order, 0, -1):
        contexts = tree.nodes(n - 1)
        kernels._say_words(
            tree.begin, tree.suffix, model.logp, model.backoff, lower, asked, contexts.start, contexts.stop, after
        )
    return np.maximum(after, 0.0)
