"""A text as one stream: what a network reads when it remembers earlier sentences.

The text is cut into B stretches of one length that are read side by side; each step goes on where the one before
stopped, so that the network's memory is carried along. Where a sentence begins, the input is `<s>`.
"""

from __future__ import annotations

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.batches import PADDING, Batch, words_before


class Streams:
    """The steps of one pass over a document.

    Attributes
    ----------
    corpus : Corpus
    batch_tokens, length : int
        Events of a step in all, and of each stretch.
    n_events : int
        Of one pass.
    """

    def __init__(self, corpus: Corpus, batch_tokens: int, length: int) -> None:
        self.corpus, self.length = corpus, length
        self.before = words_before(corpus.ids)
        self.n_events = len(corpus.ids)
        self.rows = max(1, batch_tokens // length)

    def epoch(self, generator: np.random.Generator) -> list[tuple[int, int]]:
        """Handles of the steps of one pass; it begins at a place by chance, so that the stretches differ."""
        shift = int(generator.integers(len(self.corpus.ids)))
        columns = -(-len(self.corpus.ids) // self.rows)
        return [(shift, start) for start in range(0, columns, self.length)]

    def batch(self, handle: tuple[int, int]) -> Batch:
        """What one step reads."""
        shift, start = handle
        total = len(self.corpus.ids)
        columns = -(-total // self.rows)
        column = np.arange(start, min(start + self.length, columns))
        place = np.arange(self.rows)[:, None] * columns + column  # (B, L) in the shifted text
        real = place < total
        place = np.where(real, (place + shift) % total, 0)
        events = np.where(real, self.corpus.ids[place], PADDING).astype(np.int64)
        return Batch(self.before[place], events, place, start > 0)
