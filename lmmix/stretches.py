"""A text read in several places at once, each beginning with a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmmix.corpus import Corpus
from lmmix.vocab import EOS

BLOCK_NUMBERS = 1 << 22
"""Probabilities that are held at a time."""

MOST_STREAMS = 256


def streams(numbers: int, in_order: bool = False, most: int = MOST_STREAMS) -> int:
    """How many histories to go on with side by side, at most `most`, where each takes `numbers` probabilities.

    One if the text must be read `in_order`, as for a model that remembers earlier sentences.
    """
    return 1 if in_order else max(1, min(most, BLOCK_NUMBERS // numbers))


@dataclass(frozen=True)
class Stretches:
    """Stretches of whole sentences that are read side by side, an event of each at every step.

    Attributes
    ----------
    corpus : Corpus
    begin, end : (n,) int64
        The first event of each stretch, and the last plus one.
    """

    corpus: Corpus
    begin: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, corpus: Corpus, wanted: int) -> Stretches:
        """`corpus` cut into at most `wanted` stretches of about one length."""
        aims = np.linspace(0, corpus.offsets[-1], wanted + 1)
        ends = np.unique(corpus.offsets[np.searchsorted(corpus.offsets, aims)])
        return cls(corpus, ends[:-1], ends[1:])

    def __len__(self) -> int:
        return len(self.begin)

    def alive(self) -> np.ndarray:
        """(steps,) how many stretches have an event at each step."""
        lengths = self.end - self.begin
        return (np.arange(lengths.max())[:, None] < lengths).sum(axis=1)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) int32 events of a step, (n,) bool whether they are there, (n,) int64 their places in the text.

        A stretch that has come to its end goes on with empty sentences that nobody looks at.
        """
        places = self.begin + step
        here = places < self.end
        words = np.where(here, self.corpus.ids[np.minimum(places, self.end - 1)], EOS).astype(np.int32)
        return words, here, places
