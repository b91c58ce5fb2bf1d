"""Relative-entropy pruning (Stolcke 1998, "Entropy-based pruning of backoff language models")."""

from __future__ import annotations

import numpy as np

from lmmix.errors import SettingError
from lmmix.ngram import _prune_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.history import model_history, product_history, stationary_history
from lmmix.ngram.renormalise import normalised, over_contexts
from lmmix.ngram.tree import NgramTree
from lmmix.progress import task

HISTORIES = ("stationary", "product")


def prune_entropy(
    model: BackoffModel,
    threshold: float | None = None,
    target: int | None = None,
    history: BackoffModel | str = "stationary",
    min_order: int = 2,
    threads: int | None = None,
) -> BackoffModel:
    """`model` without the n-grams that change it least, renormalised.

    An n-gram hw goes if leaving it out, and nothing else, makes the perplexity of the model on its own text grow by a
    factor of less than 1 + `threshold`, unless it is the context of a longer n-gram that stays. The text comes in
    through P(h), how often the context comes up. What is kept does not depend on what else goes; back-offs are
    computed anew at the end. A model whose contexts do not sum to 1 is renormalised first.

    Parameters
    ----------
    model : BackoffModel
        Made by any smoothing, by lmmix or another program.
    threshold : float, optional
        0 or more; 1e-9 to 1e-6 are usual, 0 keeps everything.
    target : int, optional
        In place of `threshold`: the most n-grams that may be left, of all orders, unigrams included. As many stay as
        one threshold allows.
    history : {"stationary", "product"} or BackoffModel
        Where P(h) comes from: the long run of the model itself; the product of the conditional probabilities of the
        words of h, as in SRILM, which is wrong for Kneser–Ney models; or that product by another model with the same
        vocabulary (SRILM's -prune-history-lm).
    min_order : int
        The shortest n-grams that may go, 2 or more.
    threads : int, optional
        Default: all cores. The result does not depend on it.

    Raises SettingError, EventSpaceError for a history model with other words, InputError if all unigrams have
    probability 0.
    """
    _check_settings(threshold, target, history, min_order)
    normal, lower = normalised(model, threads)
    score = _scores(normal, lower, history, min_order, threads)
    if threshold is None:
        threshold = _threshold_for(score, target or 0)
    tree, nodes = model.tree.selected(score >= threshold)
    signature = model.signature + _signature(threshold, history, min_order)
    backoff = np.zeros(int(tree.level[tree.order]))
    return normalised(BackoffModel(tree, normal.logp[nodes], backoff, model.vocab, signature), threads)[0]


def _check_settings(threshold: float | None, target: int | None, history: BackoffModel | str, min_order: int) -> None:
    if (threshold is None) == (target is None):
        raise SettingError("give either a threshold or a target number of n-grams")
    if threshold is not None and not threshold >= 0:
        raise SettingError(f"the pruning threshold is {threshold}; it must be 0 or more (1e-9 to 1e-6 are usual)")
    if min_order < 2:
        raise SettingError(f"the shortest n-grams to prune have order {min_order}; it must be 2 or more")
    if isinstance(history, str) and history not in HISTORIES:
        raise SettingError(f"history is {history!r}; there is {', '.join(HISTORIES)}, or a model")


def _signature(threshold: float, history: BackoffModel | str, min_order: int) -> str:
    parts = [f"|pruned:entropy:{float(threshold)!r}"]
    if isinstance(history, BackoffModel):
        parts.append(f"history:({history.signature})")
    elif history != "stationary":
        parts.append(f"history:{history}")
    if min_order != 2:
        parts.append(f"min-order:{min_order}")
    return ",".join(parts)


def _scores(
    model: BackoffModel, lower: np.ndarray, history: BackoffModel | str, min_order: int, threads: int | None
) -> np.ndarray:
    """(M,) the largest threshold at which each n-gram stays, for itself or as the context of one that stays."""
    tree = model.tree
    score = np.full(tree.size, np.inf)
    if tree.order < min_order:
        return score
    weight = _history(model, lower, history, threads)
    with task("pruning", tree.order) as advance:
        for n in range(tree.order, min_order - 1, -1):

            def score_piece(lo: int, hi: int) -> None:
                kernels._score_ngrams(tree.begin, model.logp, model.backoff, lower, weight, lo, hi, score)

            over_contexts(tree, n, score_piece, threads)
            advance(1)
    for n in range(tree.order, min_order, -1):
        _raise_contexts(tree, n, score)
    return score


def _history(model: BackoffModel, lower: np.ndarray, history: BackoffModel | str, threads: int | None) -> np.ndarray:
    if isinstance(history, BackoffModel):
        return model_history(model, history)
    return product_history(model) if history == "product" else stationary_history(model, lower, threads)


def _raise_contexts(tree: NgramTree, order: int, score: np.ndarray) -> None:
    """Raise the score of each context of n-grams of `order` to the best of theirs."""
    parents, own = tree.nodes(order - 1), tree.nodes(order)
    first = tree.begin[parents]
    used = np.flatnonzero(first < tree.begin[parents.start + 1 : parents.stop + 1])
    if len(used):
        best = np.maximum.reduceat(score[own], first[used] - own.start)
        score[parents][used] = np.maximum(score[parents][used], best)


def _threshold_for(score: np.ndarray, target: int) -> float:
    """The least threshold that leaves at most `target` n-grams; SettingError if too many cannot go (score inf)."""
    scores = score[score < np.inf]
    fixed = len(score) - 1 - len(scores)
    room = target - fixed
    if room < 0:
        raise SettingError(f"the target is {target} n-grams, but {fixed} cannot be pruned; give {fixed} or more")
    if room >= len(scores):
        return 0.0
    # The largest score of those that have to go; all that equal it go with it.
    last = float(np.partition(scores, len(scores) - room - 1)[len(scores) - room - 1])
    return float(np.nextafter(last, np.inf))
