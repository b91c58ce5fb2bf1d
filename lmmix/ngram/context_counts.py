"""How often histories were seen: a table of counts for mixtures whose weights depend on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lmmix.corpus import Corpus
from lmmix.fileio import PathLike
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.count_artefact import read_lmc
from lmmix.ngram.counts import NgramCounts
from lmmix.vocab import Vocab


class ContextCounts:
    """The contexts of a text with their counts; a state is a node, the longest context seen of each history.

    Attributes
    ----------
    path : Path
        The file of the counts.
    total : (level[N],) float64
        How often each context of at most N − 1 words was followed by a word.
    """

    def __init__(self, counts: NgramCounts, vocab: Vocab, ids: np.ndarray | None = None, path: PathLike = "") -> None:
        """`ids` are those of the words of `vocab` for callers that number words in another way."""
        self.path = Path(path)
        tree = counts.tree
        sums = np.zeros(tree.size + 1)
        np.cumsum(counts.count, out=sums[1:])
        top = int(tree.level[tree.order])
        self.total = sums[tree.begin[1 : top + 1]] - sums[tree.begin[:top]]
        # A back-off model knows how to walk; its probabilities are not asked for.
        self._walker = BackoffModel(tree, np.zeros(tree.size), np.zeros(top), vocab, "counts")
        self._ids = ids

    def contexts(self, corpus: Corpus) -> np.ndarray:
        """(T,) int32: the state before each event of `corpus`."""
        return self._walker.contexts(corpus)

    def start(self, n: int) -> np.ndarray:
        """The states of n new sentences."""
        return self._walker.start(n)

    def advance(self, state: np.ndarray, words: np.ndarray) -> np.ndarray:
        """(n,) the states behind `words`."""
        return self._walker.advance(state, words if self._ids is None else self._ids[words])[1]

    def context_lengths(self, state: np.ndarray) -> np.ndarray:
        """(n,) int64: words of each context."""
        return self._walker.context_lengths(state)

    def context_counts(self, state: np.ndarray) -> np.ndarray:
        """(n,) float64: how often each context was followed by a word."""
        return self.total[state]


def load_context_counts(path: PathLike, vocab: Vocab) -> ContextCounts:
    """The counts in an `.lmc` file for texts in the ids of `vocab`.

    Raises FormatError for a file that is none, EventSpaceError for other words.
    """
    counts, own = read_lmc(path)
    vocab.check_same_events(own, "the mixture", str(path))
    return ContextCounts(counts, own, None if own == vocab else vocab.translation(own), path)
