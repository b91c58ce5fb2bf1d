"""Normalisers of log-linear mixtures: sums over the whole vocabulary in the histories of a text.

Where the members can do it together (`joint_with`), the sums are theirs; any other models are walked through the text,
and the distributions of all of them are multiplied word by word.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel, remembers
from lmmix.mix.members import advanced, distributions
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.vocab import EOS

logger = logging.getLogger("lmmix")

MANY_CELLS = 10**9
"""Probabilities that it takes a while to compute."""

BATCH_CELLS = 1 << 20
"""Probabilities of each member that are held at a time, at least one distribution."""

PIECE_ROWS = 4
"""Distributions that a thread multiplies at a time."""


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
    joint: Any,
    threads: int | None = None,
) -> Normaliser:
    """What normalises before some events (places in `corpus.ids`).

    `ids` has for each member the id there of each word of `corpus.vocab`, None where the ids are the same; `joint` is
    what `joint_models` gave for them. Warns of models that are in the way of fast sums over a long text.
    """
    if joint:
        return joint.of_corpus(corpus, events, threads)
    cells = len(members) * len(corpus.ids) * len(corpus.vocab)
    if cells > MANY_CELLS:
        kinds = dict.fromkeys(member.signature.split("|")[0] for member in members if not hasattr(member, "joint_with"))
        logger.warning(
            "each pass over the text takes %.1g probabilities: n-gram models alone would take the fast way, but there "
            "is %s; a shorter text, or mixing linearly, takes less time", cells, ", ".join(kinds),
        )  # fmt: skip
    return DenseNormaliser(members, ids, corpus, events)


def log_product(logp: np.ndarray, weights: np.ndarray, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """((n, V) Σ_k w_k ln p_k of (K, n, V) ln p, (K,) a word that model k gives 0 and another one does not, or -1).

    −inf for words to which some model gives probability 0, and for `<s>`.
    """
    from lmmix.mix import _product_kernels as kernels

    product = np.empty(logp.shape[1:])

    def multiply(rows: tuple[int, int]) -> np.ndarray:
        zero = np.full(len(logp), -1)
        kernels._multiply(logp, weights, *rows, product, zero)
        return zero

    found = thread_map(multiply, cut(len(product), PIECE_ROWS), threads if len(product) > PIECE_ROWS else 1)
    return product, np.max(found, axis=0, initial=-1)


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
        size = len(self.members) + 1 if moments else 1
        log_z, totals = np.empty(len(self.corpus.ids)), np.zeros((size, size))
        zero = np.full(len(self.members), -1)
        with task("normalising", len(self.events)) as advance:
            for sentences in self._batches():
                for places, logp in self._steps(sentences):
                    product, alone = log_product(logp, weights, threads)
                    zero = np.maximum(zero, alone)
                    log_z[places], some = _summed(logp, product, size, threads)
                    totals += some
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

    def _steps(self, sentences: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Walk some sentences together: yields (m,) places of wanted events and (K, m, V) ln p of what may be there.

        Sentences that have ended go along with `</s>` until the last one ends, for not all models can drop them.
        """
        begin, end = self._offsets[sentences], self._offsets[sentences + 1]
        states = [member.start(len(sentences)) for member in self.members]
        for step in range(int((end - begin).max(initial=0))):
            places = begin + step
            going = places < end
            rows = np.flatnonzero(going)[self._wanted[places[going]]]
            if len(rows):
                yield places[rows], log_distributions(self.members, states, self.ids, rows)
            words = np.where(going, self.corpus.ids[np.minimum(places, end - 1)], EOS).astype(np.int32)
            _, states = advanced(self.members, self.ids, states, words)


def log_distributions(
    members: Sequence[LanguageModel],
    states: Sequence[Any],
    ids: Sequence[np.ndarray | None],
    rows: Any = slice(None),
) -> np.ndarray:
    """(K, m, V) ln p of each next event in some rows of the members' states, in the numbers of the words here."""
    with np.errstate(divide="ignore"):
        return np.log(np.stack([p[rows] for p in distributions(members, ids, states)]))


def _summed(logp: np.ndarray, product: np.ndarray, size: int, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
    """(n,) ln Z of some histories and their totals, see `Normaliser.sums`."""
    from lmmix.mix import _product_kernels as kernels

    log_z = np.empty(len(product))

    def sum_up(rows: tuple[int, int]) -> np.ndarray:
        total = np.zeros((size, size))
        kernels._sum_up(logp, product, *rows, size, log_z, total)
        return total

    parts = thread_map(sum_up, cut(len(product), PIECE_ROWS), threads if len(product) > PIECE_ROWS else 1)
    return log_z, sum(parts, np.zeros((size, size)))
