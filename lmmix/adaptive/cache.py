"""Cache models: what was said a while ago is likely to be said again.

Kuhn & De Mori (1990), "A cache-based natural language model for speech recognition"; the decay is that of Clarkson &
Robinson (1997), "Language model adaptation using mixtures and an exponentially decaying cache".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import FormatError, SettingError
from lmmix.lm import REMEMBERS
from lmmix.vocab import BOS, EOS, UNK, Vocab

KIND = "cache"

HALF_LIFE = 250.0
"""Events after which what was read counts half, by default; best is 120 for newspaper articles, 2000 for novels."""

PRIOR = 2.0
"""By default, the shorter history counts as much as two events that were just read."""


def cache_description(half_life: float = HALF_LIFE, order: int = 2) -> dict[str, Any]:
    """The usual cache with another half life, as `CacheModel.from_description` takes it. Raises SettingError."""
    return {"kind": KIND, "order": order, "half_life": half_life, "prior": PRIOR, "unk": True}


class CacheModel:
    """A `LanguageModel` of the words that the text itself has used, sentence ends included, over all its sentences.

    Event i counts d^(t − 1 − i) for event t, with d = 2^(−1 / half life), so the last one counts 1. Of the weighted
    counts c come the probabilities, those of order 2 among what stood behind the same word (`<s>` at the beginning of
    a sentence)::

        p1(w)     = (c(w)    + prior / (V − 1)) / (Σ c(·)    + prior)        V − 1: all events but <s>
        p2(w | v) = (c(v, w) + prior · p1(w))   / (Σ c(v, ·) + prior)

    Nothing is trained. The state is (n, t) int32: all events that each history has read.

    Attributes
    ----------
    order : {1, 2}
    half_life : float
        In events, `</s>` included; may be infinite.
    prior : float
        Above 0: how much the shorter history counts, in events that were just read.
    unk : bool
        Whether `<unk>`, once read, becomes more likely too; if not, it only takes its time.
    vocab, signature
        See `lmmix.lm.LanguageModel`.

    Raises SettingError for other values.
    """

    def __init__(
        self, vocab: Vocab, order: int = 2, half_life: float = HALF_LIFE, prior: float = PRIOR, unk: bool = True
    ) -> None:
        if order not in (1, 2):
            raise SettingError(f"the order of a cache is {order}; it must be 1 or 2")
        if not half_life > 0:
            raise SettingError(
                f"the half life of a cache is {half_life}; it must be a number of events above 0, or inf"
            )
        if not 0 < prior < math.inf:
            raise SettingError(f"the prior of a cache is {prior}; it must be a number of events above 0")
        self.vocab, self.order, self.half_life, self.prior, self.unk = vocab, order, float(half_life), float(prior), unk
        self.signature = (
            f"cache|order:{order}|half-life:{self.half_life!r}|prior:{self.prior!r}|unk:{'yes' if unk else 'no'}|"
            f"{REMEMBERS}|tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}|eos:yes|lmmix:{__version__}"
        )
        # By id: whether an event is counted, and its probability before anything was read.
        self._counted = np.ones(len(vocab), bool)
        self._counted[[UNK, BOS]] = unk, False
        self._uniform = np.full(len(vocab), 1.0 / (len(vocab) - 1))
        self._uniform[BOS] = 0.0

    @classmethod
    def from_description(cls, description: dict[str, Any], vocab: Vocab) -> CacheModel:
        """The cache that `description` gave. Raises FormatError for fields that it lacks or that cannot be."""
        fields = {"order": (int,), "half_life": (int, float, type(None)), "prior": (int, float), "unk": (bool,)}
        for name, types in fields.items():
            if name not in description or type(description[name]) not in types:
                raise FormatError(f"a cache has the field {name!r}, which is {description.get(name)!r:.60} here")
        values = {name: description[name] for name in fields}
        values["half_life"] = math.inf if values["half_life"] is None else values["half_life"]
        try:
            return cls(vocab, **values)
        except SettingError as error:
            raise FormatError(str(error)) from None

    def description(self) -> dict[str, Any]:
        """The settings as JSON; a half life of null is infinite."""
        half_life = None if math.isinf(self.half_life) else self.half_life
        return {"kind": KIND, "order": self.order, "half_life": half_life, "prior": self.prior, "unk": self.unk}

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`, given all events before it; on one thread."""
        ids = corpus.recode(self.vocab).ids
        counted = self._counted[ids]
        p = self._estimate(self._decayed(ids, counted), self._decayed(np.zeros_like(ids), counted), self._uniform[ids])
        if self.order == 2:
            before = _words_before(ids)
            pairs = np.unique(before * np.int64(len(self.vocab)) + ids, return_inverse=True)[1]
            p = self._estimate(self._decayed(pairs, counted), self._decayed(before, counted), p)
        with np.errstate(divide="ignore"):
            return np.log(p)

    def _decayed(self, keys: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """(T,) the weighted count of each event's key before it."""
        from lmmix.adaptive import _cache_kernels as kernels

        places = int(keys.max(initial=0)) + 1
        out = np.empty(len(keys))
        kernels._decayed_counts(
            keys.astype(np.int64), counted, self.half_life, np.zeros(places), np.zeros(places, np.int64), out
        )
        return out

    def _estimate(self, count: np.ndarray, total: np.ndarray, shorter: np.ndarray) -> np.ndarray:
        """Probabilities from counts, those of the whole context, and the probabilities by the shorter history."""
        return (count + self.prior * shorter) / (total + self.prior)

    def start(self, n: int) -> np.ndarray:
        """(n, 0) int32: nothing was read."""
        return np.zeros((n, 0), np.int32)

    def advance(self, state: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((n,) ln p of `words` after each history, (n, t + 1) what was read with them); takes time in t."""
        wanted = np.asarray(words, np.int32)[:, None]
        p = self._uniform[wanted[:, 0]]
        for weights in self._weights(state):
            p = self._estimate(np.sum(weights, axis=1, where=state == wanted), weights.sum(axis=1), p)
        with np.errstate(divide="ignore"):
            return np.log(p), np.concatenate([state, wanted], axis=1)

    def distribution(self, state: np.ndarray) -> np.ndarray:
        """(n, V) probability of each next event; takes time in t and V."""
        size = len(self.vocab)
        places = state + size * np.arange(len(state))[:, None]
        p = np.tile(self._uniform, (len(state), 1))
        for weights in self._weights(state):
            counts = np.bincount(places.ravel(), weights.ravel(), minlength=p.size).reshape(p.shape)
            p = self._estimate(counts, weights.sum(axis=1, keepdims=True), p)
        return p

    def _weights(self, state: np.ndarray) -> list[np.ndarray]:
        """For each order, (n, t) what each event of the past counts for the next one."""
        age = np.arange(state.shape[1] - 1, -1, -1)
        with np.errstate(over="ignore", under="ignore"):
            weights = np.exp2(-age / self.half_life) * self._counted[state]
        if self.order == 1:
            return [weights]
        before = np.stack([_words_before(np.append(row, 0)) for row in state]) if len(state) else state
        return [weights, weights * (before[:, :-1] == before[:, -1:])]


def _words_before(ids: np.ndarray) -> np.ndarray:
    """(T,) int64: the word before each event, `<s>` for the first of a sentence."""
    before = np.full(len(ids), BOS, np.int64)
    before[1:] = np.where(ids[:-1] == EOS, BOS, ids[:-1])
    return before
