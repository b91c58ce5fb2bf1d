"""A text as batches of whole sentences of nearly one length, each from its start.

Sentences that are independent when they are scored are so in training, too: every one starts from
nothing with `<s>`. Batches by length waste few places on padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.vocab import BOS, EOS

PADDING = -1

POOL = 50
"""Training batches whose sentences are sorted together: enough for equal lengths, few enough for chance."""


class Batch(NamedTuple):
    """What one step of training reads; arrays are (B, L).

    `inputs` int64 words; `events` int64 what comes behind them, `PADDING` where nothing does; `places` the places of
    the events in the text; `goes_on` whether the texts go on where the batch before stopped.
    """

    inputs: np.ndarray
    events: np.ndarray
    places: np.ndarray
    goes_on: bool = False

    def share(self, rank: int, ranks: int) -> Batch:
        """The texts of one of several processes: every so many; nothing but padding if there are too few."""
        if rank >= len(self.inputs):
            return Batch(self.inputs[:1], np.full_like(self.events[:1], PADDING), self.places[:1], self.goes_on)
        mine = slice(rank, None, ranks)
        return Batch(self.inputs[mine], self.events[mine], self.places[mine], self.goes_on)


def words_before(ids: np.ndarray) -> np.ndarray:
    """(T,) int64 what a network reads before each event of a text: the event before, `<s>` behind `</s>`."""
    before = np.roll(ids, 1).astype(np.int64)
    return np.where(before == EOS, BOS, before)


def whole_text(corpus: Corpus) -> Batch:
    """A text as one row."""
    return Batch(words_before(corpus.ids)[None], corpus.ids[None].astype(np.int64), np.arange(len(corpus.ids))[None])


@dataclass
class Pieces:
    """Sentences, or parts of long ones, as places in a row of events.

    Attributes
    ----------
    ids : (T,) int32
        The events of a corpus.
    begin, end : (P,) int64
        Piece p is ``ids[begin[p]:end[p]]``.
    first : (P,) bool
        Whether a piece starts its sentence.
    """

    ids: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, corpus: Corpus, max_length: int | None = None) -> Pieces:
        """The sentences of `corpus`, cut where they are longer than `max_length` events."""
        begin, end = corpus.offsets[:-1], corpus.offsets[1:]
        if max_length is None:
            return cls(corpus.ids, begin, end, np.ones(len(begin), bool))
        parts = -(-(end - begin) // max_length)
        number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
        cut_begin = np.repeat(begin, parts) + number * max_length
        cut_end = np.minimum(cut_begin + max_length, np.repeat(end, parts))
        return cls(corpus.ids, cut_begin, cut_end, number == 0)

    def padded(self, chosen: np.ndarray) -> Batch:
        """The `chosen` pieces side by side: the input is the event before, `<s>` at the start of a sentence."""
        begin, end = self.begin[chosen, None], self.end[chosen, None]
        places = begin + np.arange((end - begin).max())
        real = places < end
        places = np.minimum(places, end - 1)
        events = np.where(real, self.ids[places], PADDING).astype(np.int64)
        inputs = self.ids[places - 1].astype(np.int64)
        inputs[self.first[chosen], 0] = BOS
        return Batch(inputs, events, places)

    def shuffled_batches(self, batch_tokens: int, generator: np.random.Generator) -> list[np.ndarray]:
        """Batches of pieces for one pass of training, in an order by chance."""
        order = generator.permutation(len(self.begin))
        lengths = self.end - self.begin
        pool = max(1, int(POOL * batch_tokens / lengths.mean()))
        batches = []
        for start in range(0, len(order), pool):
            batches += _batches_by_length(lengths, order[start : start + pool], batch_tokens)
        return [batches[i] for i in generator.permutation(len(batches))]

    def batches(self, batch_tokens: int) -> list[np.ndarray]:
        """Batches of all pieces, from the shortest to the longest."""
        return _batches_by_length(self.end - self.begin, np.arange(len(self.begin)), batch_tokens)


class Sentences:
    """The steps of one pass over sentences that are independent of each other.

    Attributes
    ----------
    n_events : int
        Of one pass.
    """

    def __init__(self, corpus: Corpus, batch_tokens: int, max_length: int) -> None:
        self.pieces = Pieces.of(corpus, max_length)
        self.batch_tokens = batch_tokens
        self.n_events = len(corpus.ids)

    def epoch(self, generator: np.random.Generator) -> list[np.ndarray]:
        """Handles of the steps of one pass, in an order by chance."""
        return self.pieces.shuffled_batches(self.batch_tokens, generator)

    def batch(self, handle: np.ndarray) -> Batch:
        """What one step reads."""
        return self.pieces.padded(handle)


def _batches_by_length(lengths: np.ndarray, chosen: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """`chosen` sorted by length and cut so that no batch of two or more has over `batch_tokens` places."""
    chosen = chosen[np.argsort(lengths[chosen], kind="stable")]
    cuts, start = [], 0
    for place, length in enumerate(lengths[chosen].tolist()):
        if place > start and (place - start + 1) * length > batch_tokens:
            cuts.append(place)
            start = place
    return np.split(chosen, cuts)
