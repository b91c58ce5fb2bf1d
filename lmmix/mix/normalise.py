"""Normalisers of log-linear mixtures: sums over the whole vocabulary in the histories of a text.

Where the members can do it together (`joint_with`), the sums are theirs; any other models are walked through the text,
and the distributions of all of them are multiplied word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel, remembers
from lmmix.progress import task
from lmmix.vocab import BOS, EOS

BATCH_CELLS = 1 << 20
"""Probabilities of each member that are held at a time, at least one distribution."""


class Normaliser(Protocol):
    """Sums over the vocabulary in the histories before n events of a text."""

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
        ...


def joint_models(members: Sequence[LanguageModel], ids: Sequence[np.ndarray | None]) -> Any:
    """What all members offer together for exact sums (see `lmmix.ngram.joint`), or None."""
    offer = getattr(members[0], "joint_with", None)
    return offer(members, ids) if offer else None


def normaliser_of(
    members: Sequence[LanguageModel],
    ids: Sequence[np.ndarray | None],
    corpus: Corpus,
    events: np.ndarray,
    threads: int | None = None,
) -> Normaliser:
    """What normalises before some events (places in `corpus.ids`).

    `ids` has for each member the id there of each word of `corpus.vocab`, None where the ids are the same.
    """
    joint = joint_models(members, ids)
    return joint.of_corpus(corpus, events, threads) if joint else DenseNormaliser(members, ids, corpus, events)


def log_product(logp: Sequence[np.ndarray], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((n, V) Σ_k w_k ln p_k of K arrays of that shape, (K,) a word that model k alone gives 0, or -1).

    −inf for words to which some model gives probability 0, and for `<s>`.
    """
    with np.errstate(invalid="ignore"):
        product = sum(weight * part for weight, part in zip(weights, logp))
    absent = np.array([part == -np.inf for part in logp])
    absent[:, :, BOS] = True
    product[absent.any(axis=0)] = -np.inf
    alone = absent & ~absent.all(axis=0)
    words = np.arange(product.shape[1])
    return product, np.array([np.where(one, words, -1).max(initial=-1) for one in alone])


class DenseNormaliser:
    """`Normaliser` of any models: each history of a text is visited, and every probability in it computed.

    Parameters
    ----------
    members, ids, corpus, events
        As for `normaliser_of`.
    """

    def __init__(
        self,
        members: Sequence[LanguageModel],
        ids: Sequence[np.ndarray | None],
        corpus: Corpus,
        events: np.ndarray,
    ) -> None:
        self.members = list(members)
        self.ids = list(ids)
        self.corpus = corpus
        self.events = events
        together = any(remembers(member) for member in members)
        self._offsets = np.array([0, len(corpus.ids)]) if together else corpus.offsets
        self._wanted = np.zeros(len(corpus.ids), bool)
        self._wanted[events] = True

    def sums(
        self, weights: np.ndarray, moments: bool = True, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `Normaliser.sums`. The members use as many threads as they like."""
        members = len(self.members)
        log_z = np.empty(len(self.corpus.ids))
        totals = np.zeros((members + 1, members + 1) if moments else (1, 1))
        zero = np.full(members, -1)
        with task("normalising", len(self.corpus.ids)) as advance:
            for sentences in self._batches():
                for places, logp in self._steps(sentences):
                    product, alone = log_product(logp, weights)
                    zero = np.maximum(zero, alone)
                    scale = product.max(axis=1)
                    f = np.exp(product - np.where(scale > -np.inf, scale, 0.0)[:, None])
                    z = f.sum(axis=1)
                    with np.errstate(divide="ignore"):
                        log_z[places] = scale + np.log(z)
                    if moments:
                        totals += _moments(f / z[:, None], logp)
                    advance(len(places))
        return log_z[self.events], totals, zero

    def _batches(self) -> list[np.ndarray]:
        """Stretches of the text that are walked together: sentences of about the same length.

        Where a member remembers what it has read, the text is one stretch.
        """
        lengths = np.diff(self._offsets)
        order = np.argsort(lengths, kind="stable")
        rows = max(1, BATCH_CELLS // len(self.corpus.vocab))
        return [order[first : first + rows] for first in range(0, len(order), rows)]

    def _steps(self, sentences: np.ndarray) -> Any:
        """Walk some sentences together: yields (m,) places of wanted events and K arrays (m, V) of what may be there.

        A state cannot be cut: sentences that have ended go along with `</s>` until the last one ends.
        """
        begin, end = self._offsets[sentences], self._offsets[sentences + 1]
        states = [member.start(len(sentences)) for member in self.members]
        for step in range(int((end - begin).max(initial=0))):
            places = begin + step
            going = places < end
            rows = np.flatnonzero(going)[self._wanted[places[going]]]
            if len(rows):
                yield places[rows], [self._logp(k, states[k], rows) for k in range(len(self.members))]
            words = np.where(going, self.corpus.ids[np.minimum(places, end - 1)], EOS).astype(np.int32)
            for k, (member, there) in enumerate(zip(self.members, self.ids)):
                states[k] = member.advance(states[k], words if there is None else there[words])[1]

    def _logp(self, k: int, state: Any, rows: np.ndarray) -> np.ndarray:
        p, there = self.members[k].distribution(state)[rows], self.ids[k]
        with np.errstate(divide="ignore"):
            return np.log(p if there is None else p[:, there])


def _moments(p: np.ndarray, logp: Sequence[np.ndarray]) -> np.ndarray:
    """The totals of `Normaliser.sums` from (n, V) probabilities of the mixture and those of the members."""
    x = np.stack([np.where(p > 0, part, 0.0) for part in logp])
    mean = np.einsum("nv,knv->nk", p, x)
    totals = np.zeros((len(x) + 1, len(x) + 1))
    totals[1:, 0] = mean.sum(axis=0)
    for k in range(len(x)):
        for other in range(k + 1):
            totals[k + 1, other + 1] = (p * (x[k] - mean[:, k, None]) * (x[other] - mean[:, other, None])).sum()
    return totals
