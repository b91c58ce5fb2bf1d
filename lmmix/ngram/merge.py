"""Static merge: a linear mixture of back-off models as one back-off model (Stolcke 2002, "SRILM", ngram -mix-lm).

The merged model knows the n-grams that any member knows, and gives them the probability of the mixture,
p(w | h) = Σ_k λ_k p_k(w | h), each p_k by way of its own back-off. Back-offs are computed anew, so that every history
sums to 1. For words that no member has seen after h the two differ: the mixture weighs the back-off of each member,
the merged model has one back-off for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lmmix import __version__
from lmmix.checks import simplex_weights
from lmmix.errors import SettingError
from lmmix.lm import is_distribution
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.growing_tree import GrowingTree
from lmmix.ngram.renormalise import normalised
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.vocab import BOS, Vocab

PIECE_NGRAMS = 1 << 16
"""N-grams that a thread gives their probabilities at a time."""


def merge_models(
    models: Sequence[Any], weights: Sequence[float], names: Sequence[str] | None = None, threads: int | None = None
) -> BackoffModel:
    """The linear mixture of back-off models as one back-off model.

    Parameters
    ----------
    models : sequence of BackoffModel or PackedModel
        Over one set of words, which they may number differently, and of any orders. The merged model numbers words
        as the first of them.
    weights : (K,) sequence of float
        λ, none negative, with sum 1. Models of weight 0 are left out.
    names : (K,) sequence of str, optional
        What to call the models in errors.
    threads : int, optional
        Default: all cores. The result does not depend on it.

    Members whose histories do not quite sum to 1, as in rounded files, are taken as they are; where then no back-off
    makes the sum 1, n-grams are scaled as `lmmix.ngram.renormalise.renormalise` does.

    Raises SettingError for a model that is no back-off model or gives scores, or weights not on the simplex;
    EventSpaceError for different vocabularies; InputError for a union that is too large or has no probability.
    """
    names = names or [f"model {k + 1}" for k in range(len(models))]
    if not models:
        raise SettingError("no model to merge")
    shares = simplex_weights(weights, len(models))
    kept = [k for k in range(len(models)) if shares[k] > 0]
    unpacked = [_checked_model(models[k], names[k], threads) for k in kept]
    vocab = unpacked[0].vocab
    for k, model in zip(kept, unpacked):
        vocab.check_same_events(model.vocab, names[kept[0]], names[k])
    members = [_Member(model, float(shares[k]), vocab) for k, model in zip(kept, unpacked)]
    tree, logp = _union(members, vocab, threads)
    logp[1 + BOS] = -np.inf
    backoff = np.zeros(int(tree.level[tree.order]))
    return normalised(BackoffModel(tree, logp, backoff, vocab, _signature(members, vocab)), threads)[0]


def _checked_model(model: Any, name: str, threads: int | None) -> BackoffModel:
    if hasattr(model, "unpacked"):
        model = model.unpacked(threads)
    if not isinstance(model, BackoffModel):
        raise SettingError(
            f"{name} is a {type(model).__name__}; only n-gram models (ARPA or .lmx) can be merged into one: mix those "
            "alone (lmmix mix --method em) and merge that mixture"
        )
    if not is_distribution(model):
        raise SettingError(
            f"{name} gives scores, not probabilities; make them probabilities first: lmmix prune --renormalise"
        )
    return model


def _signature(members: Sequence[_Member], vocab: Vocab) -> str:
    weights = ",".join(repr(member.weight) for member in members)
    parts = ";".join(f"[{member.model.signature}]" for member in members)
    return (
        f"merge:linear|weights:{weights}|members:{parts}|tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}"
        f"|eos:yes|lmmix:{__version__}"
    )


class _Member:
    """A model on its way through the union, which goes order by order.

    Attributes
    ----------
    model : BackoffModel
    weight : float
        λ, above 0.
    number : (nodes of the last order,) int32
        The node of the union that each node of the member became.
    state : (nodes of the last order of the union,) int32
        The member's state behind each n-gram of the union.
    """

    def __init__(self, model: BackoffModel, weight: float, vocab: Vocab) -> None:
        self.model = model
        self.weight = weight
        self._to_union = model.vocab.translation(vocab)
        self._from_union = vocab.translation(model.vocab)
        self.number = 1 + self._to_union
        self.state = np.zeros(1, np.int32)

    def rows(self, order: int) -> tuple[np.ndarray, np.ndarray]:
        """The member's n-grams of the next order: (context, last word), in nodes and words of the union."""
        tree = self.model.tree
        if order > tree.order:
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        above = tree.nodes(order - 1)
        context = np.repeat(self.number, np.diff(tree.begin[above.start : above.stop + 1]))
        return context, self._to_union[tree.word[tree.nodes(order)]]

    def advanced(self, context: np.ndarray, word: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(ln p of each word, state behind it); `context` counts from the first of the last order of the union."""
        return self.model.follow(self.state[context], self._from_union[word])


def _union(members: Sequence[_Member], vocab: Vocab, threads: int | None) -> tuple[NgramTree, np.ndarray]:
    """The tree of all n-grams of all members, and (M,) ln Σ_k λ_k p_k of each; 0 at node 0."""
    growing = GrowingTree(len(vocab), threads)
    orders = max(member.model.order for member in members)
    logp = [np.zeros(1)]
    with task("merging", orders) as advance:
        for n in range(1, orders + 1):
            if n > 1:
                _add_ngrams(growing, members, n)
            logp.append(_mixed(growing, members, n, threads))
            advance(1)
    return growing.finished(), np.concatenate(logp)


def _add_ngrams(growing: GrowingTree, members: Sequence[_Member], order: int) -> None:
    contexts, words = zip(*(member.rows(order) for member in members))
    place = growing.add(np.concatenate(contexts), np.concatenate(words))
    for member, number in zip(members, np.split(place, np.cumsum([len(part) for part in words])[:-1])):
        member.number = number


def _mixed(growing: GrowingTree, members: Sequence[_Member], order: int, threads: int | None) -> np.ndarray:
    """ln p of each n-gram of the newest order, by the mixture; the members go on to the states behind them."""
    above, first, end = growing.level[order - 1 : order + 2]
    context = np.repeat(np.arange(first - above, dtype=np.int32), np.diff(growing.begin[above : first + 1]))
    logp = np.full(end - first, -np.inf)
    states = [np.empty(end - first, np.int32) for _ in members]

    def mix(piece: tuple[int, int]) -> None:
        lo, hi = piece
        for member, state in zip(members, states):
            step, state[lo:hi] = member.advanced(context[lo:hi], growing.word[first + lo : first + hi])
            np.logaddexp(logp[lo:hi], step + np.log(member.weight), out=logp[lo:hi])

    thread_map(mix, cut(end - first, PIECE_NGRAMS), threads)
    for member, state in zip(members, states):
        member.state = state
    return logp
