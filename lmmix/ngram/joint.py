"""Sums over the vocabulary in the joint histories of several back-off models, for their log-linear mixtures.

A joint history is a tuple of contexts, a node of each model. Above it stands the one where the longest contexts among
them are replaced by their suffixes: there, all words but those explicit behind these contexts have the same
log-probabilities, less the back-offs. So sums over all words are those of the history above with the explicit words
exchanged (Heafield, Geigle, Massung & Schwartz 2016, "Normalized log-linear interpolation of backoff language models is
efficient"), and a text costs no more than the words explicit in its distinct joint histories.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.joint_tree import distinct_rows, joint_tree
from lmmix.parallel import thread_map
from lmmix.vocab import BOS

PIECE_WORDS = 1 << 17
"""Explicit words that a thread goes through at a time, or as many as the vocabulary has."""

ONE_THREAD = 1 << 22
"""Explicit words up to which a second thread gains less than a second and costs as much memory again."""


class JointModels:
    """Back-off models of one event space, side by side.

    Parameters
    ----------
    models : K BackoffModels
    ids : K of (V,) int32 or None
        For each model the id there of each word here; None where the ids are the same.
    """

    def __init__(self, models: Sequence[BackoffModel], ids: Sequence[np.ndarray | None]) -> None:
        self.models = list(models)
        size = len(models[0].vocab)
        own = np.arange(size, dtype=np.int32)
        self.rename = [own if there is None else np.argsort(there).astype(np.int32) for there in ids]
        self.unigrams = np.empty((size, len(models)))
        for k, (model, there) in enumerate(zip(models, ids)):
            unigrams = model.logp[1 : 1 + size]
            self.unigrams[:, k] = unigrams if there is None else unigrams[there]
        self.unigrams[BOS] = -np.inf

    def of_corpus(self, corpus: Corpus, events: np.ndarray, threads: int | None = None) -> JointHistories:
        """The histories before some events of a text (places in `corpus.ids`)."""
        return self.of_states([model.contexts(corpus, threads)[events] for model in self.models])

    def of_states(self, states: Sequence[np.ndarray]) -> JointHistories:
        """The histories of n states of each model: nodes, or the chains of nodes of a packed model."""
        return JointHistories(self, np.stack([_nodes(state) for state in states], axis=1))

    def children(self, contexts: np.ndarray) -> np.ndarray:
        """(n, K) int64: how many words are explicit behind contexts (n, K); none behind -1."""
        out = np.zeros(contexts.shape, np.int64)
        for k, model in enumerate(self.models):
            begin, at = model.tree.begin, contexts[:, k]
            some = at >= 0
            lo, hi = np.maximum(begin[at[some]], 0), np.minimum(begin[at[some] + 1], model.tree.size)
            out[some, k] = np.maximum(hi.astype(np.int64) - lo, 0)
        return out


def join(models: Sequence[LanguageModel], ids: Sequence[np.ndarray | None]) -> JointModels | None:
    """What some models know together; None unless all are back-off models.

    `ids` has for each model the id there of each word of the first one, None where the ids are the same. Packed models
    are unpacked, which takes as much memory as the exact ones.
    """
    if not all(isinstance(model, BackoffModel) or hasattr(model, "unpacked") for model in models):
        return None
    exact: list[Any] = [model.unpacked() if hasattr(model, "unpacked") else model for model in models]
    return JointModels(exact, ids)


def _nodes(state: np.ndarray) -> np.ndarray:
    """(n,) the node of the longest context; chains are (n, N − 1), with zeros behind it."""
    if state.ndim == 1:
        return state
    padded = np.concatenate([np.zeros((len(state), 1), np.int32), state], axis=1)
    return padded[np.arange(len(state)), (state > 0).sum(axis=1)]


class JointHistories:
    """The joint histories before n events; K-tuples of contexts, of which many are the same.

    Parameters
    ----------
    joint : JointModels
    contexts : (n, K) int32
    """

    def __init__(self, joint: JointModels, contexts: np.ndarray) -> None:
        self.joint = joint
        empty = np.zeros((1, contexts.shape[1]), np.int32)
        distinct, which = distinct_rows(np.concatenate([empty, contexts]))
        self._tree, place = joint_tree(joint.models, distinct)
        self._which = place[which[1:]]
        self._counts = np.bincount(self._which, minlength=len(self._tree.parent)).astype(np.float64)

    def sums(
        self, weights: np.ndarray, moments: bool = True, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a log-linear mixture has to know of these histories, x_k being ln p_k of all words w of the vocabulary.

        Parameters
        ----------
        weights : (K,) float64
        moments : bool
            Whether the second result is wanted.

        Returns
        -------
        log_z : (n,) float64
            ln Σ_w exp(Σ_k weights_k x_k) for each event, over all words to which no model gives probability 0.
        totals : (K + 1, K + 1) float64
            Lower triangle; first column: Σ E[x_k] over the events, rest: Σ Cov[x_k, x_l]; (1, 1) without `moments`.
        zero : (K,) int64
            A word to which model k, but not every model, gives probability 0; -1 if there is none.
        """
        size = len(self.joint.models) + 1 if moments else 1
        threads = 1 if self._words.sum() <= ONE_THREAD else threads
        results = thread_map(lambda piece: self._walk(*piece, np.asarray(weights, float), size), self._pieces, threads)
        log_z = np.concatenate([one for one, _, _ in results])
        totals = sum((one for _, one, _ in results), np.zeros((size, size)))
        return log_z[self._which], totals, np.max([one for _, _, one in results], axis=0)

    @cached_property
    def _words(self) -> np.ndarray:
        """How many words are explicit in each history of the tree."""
        words = self.joint.children(self._tree.contexts).sum(axis=1)
        words[self._without_rest] += len(self.joint.unigrams)
        return words

    @cached_property
    def _pieces(self) -> list[tuple[int, int]]:
        """First and last history of pieces with about as many explicit words each."""
        most = max(PIECE_WORDS, len(self.joint.unigrams))
        edges = np.flatnonzero(np.diff(np.cumsum(self._words) // most)) + 1
        return list(zip([0, *edges.tolist()], [*edges.tolist(), len(self._words)]))

    @cached_property
    def _without_rest(self) -> np.ndarray:
        """The histories where some back-off is 0, so that all words are explicit."""
        return np.flatnonzero((self._tree.backoff == -np.inf).any(axis=1))

    def _walk(self, lo: int, hi: int, weights: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`sums` of some histories of the tree."""
        from lmmix.ngram import _joint_kernels as kernels

        tree, members = self._tree, len(weights)
        above = self._above(lo)
        rows = np.append(above, np.arange(lo, hi))
        words, logp, place = self._explicit(rows)
        counts, depth = self._counts[rows], tree.depth[rows]
        counts[: len(above)] = 0.0
        backoff = tree.backoff[rows]
        backoff[backoff == -np.inf] = 0.0
        log_z, totals, zero = np.empty(len(rows)), np.zeros((size, size)), np.full(members, -1)
        kernels._walk_histories(
            words, logp, place, backoff, depth, int(depth.max()) + 1, self._room(rows, place), weights,
            self.joint.unigrams.copy(), counts, size, log_z, totals, zero,
        )  # fmt: skip
        return log_z[len(above) :], totals, zero

    def _above(self, row: int) -> np.ndarray:
        """The histories above one, from the root."""
        path: list[int] = []
        while (row := int(self._tree.parent[row])) >= 0:
            path.append(row)
        return np.array(path[::-1], np.int64)

    def _explicit(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(E,) words, (E,) ln p and (len(rows) · K + 1,) places of the words explicit in some histories."""
        from lmmix.ngram import _joint_kernels as kernels

        contexts, backoff = self._tree.contexts[rows], self._tree.backoff[rows]
        words = self.joint.children(contexts) + (backoff == -np.inf) * len(self.joint.unigrams)
        place = np.zeros(words.size + 1, np.int64)
        np.cumsum(words.ravel(), out=place[1:])
        out_word, out_logp = np.empty(place[-1], np.int32), np.empty(place[-1])
        for k, (model, rename) in enumerate(zip(self.joint.models, self.joint.rename)):
            tree = model.tree
            kernels._copy_children(
                tree.word, tree.begin, model.logp, rename, contexts, backoff, place, k, out_word, out_logp
            )
        return out_word, out_logp, place

    def _room(self, rows: np.ndarray, place: np.ndarray) -> int:
        """The most words that can be explicit in one history and those above it."""
        members = len(self.joint.models)
        own = np.minimum(np.diff(place[::members]), len(self.joint.unigrams))
        depth = self._tree.depth[rows]
        return sum(int(own[depth == d].max(initial=0)) for d in range(int(depth.max()) + 1))
