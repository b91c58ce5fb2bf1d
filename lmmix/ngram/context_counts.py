"""How often histories were seen: a table of counts for mixtures whose weights depend on it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from lmmix.corpus import Corpus
from lmmix.fileio import PathLike
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.count_artefact import read_lmc
from lmmix.ngram.counts import NgramCounts
from lmmix.vocab import BOS, Vocab


class ContextCounts:
    """The contexts of a text with their counts; a state is a node, the longest context seen of each history.

    Attributes
    ----------
    path : Path or None
        The file of the counts; None for counts that are in no file.
    total : (level[N],) float64
        How often each context of at most N − 1 words was followed by a word.
    """

    def __init__(
        self, counts: NgramCounts, vocab: Vocab, ids: np.ndarray | None = None, path: PathLike | None = None
    ) -> None:
        """`ids` are those of the words of `vocab` for callers that number words in another way."""
        self.path = None if path is None else Path(path)
        tree = counts.tree
        sums = np.zeros(tree.size + 1)
        np.cumsum(counts.count, out=sums[1:])
        top = int(tree.level[tree.order])
        self.total = sums[tree.begin[1 : top + 1]] - sums[tree.begin[:top]]
        # `<s>` has a count, but it follows nothing.
        self.total[0] -= counts.count[1 + BOS]
        # Words of the vocabulary are nodes, seen or not; so for each node the longest suffix that was seen.
        self._seen = np.arange(top)
        while (unseen := np.flatnonzero((self.total[self._seen] == 0) & (self._seen > 0))).size:
            self._seen[unseen] = tree.suffix[self._seen[unseen]]
        # A back-off model knows how to walk; its probabilities are not asked for.
        self._walker = BackoffModel(tree, np.zeros(tree.size), np.zeros(top), vocab, "counts")
        self._ids = ids

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that differ for different counts."""
        tree = self._walker.tree
        found = hashlib.sha256(self._walker.vocab.fingerprint.encode())
        for array in (tree.level, tree.word, tree.begin, self.total):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]

    def contexts(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) int32: the state before each event of `corpus`."""
        return self._walker.contexts(corpus, threads)

    def start(self, n: int) -> np.ndarray:
        """The states of n new sentences."""
        return self._walker.start(n)

    def advance(self, state: np.ndarray, words: np.ndarray) -> np.ndarray:
        """(n,) the states behind `words`."""
        return self._walker.advance(state, words if self._ids is None else self._ids[words])[1]

    def context_lengths(self, state: np.ndarray) -> np.ndarray:
        """(n,) int64: words of each context that was seen."""
        return self._walker.context_lengths(self._seen[state])

    def context_counts(self, state: np.ndarray) -> np.ndarray:
        """(n,) float64: how often these were followed by a word."""
        return self.total[self._seen[state]]


def load_context_counts(path: PathLike, vocab: Vocab) -> ContextCounts:
    """The counts in an `.lmc` file for texts in the ids of `vocab`.

    Raises FormatError for a file that is none, EventSpaceError for other words.
    """
    counts, own = read_lmc(path)
    vocab.check_same_events(own, "the mixture", str(path))
    return ContextCounts(counts, own, None if own == vocab else vocab.translation(own), path)
