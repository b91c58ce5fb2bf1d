"""A held-out text seen through the tree of another: which n-grams end in each event, order by order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.corpus import Corpus
from lmmix.ngram.tree import NgramTree


class HeldOut:
    """The events of a held-out text with their n-grams and contexts, and their probabilities so far.

    Attributes
    ----------
    ngram, context : (N, T) int32
        Node of the n-gram of order n + 1 that ends in each event and of its context; -1 where the tree lacks it.
    prob : (T,) float64
        p(event) by the highest order that is done; at first by the uniform distribution. The words
        `left_out` have 0: they are no evidence.
    """

    def __init__(self, tree: NgramTree, corpus: Corpus, uniform: float, left_out: Sequence[int] = ()) -> None:
        from lmmix.ngram import _query_kernels as kernels

        shape = (tree.order, len(corpus.ids))
        self.ngram, self.context = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
        top = int(tree.level[tree.order])
        arrays = (tree.word, tree.begin, tree.suffix)
        kernels._trace(*arrays, top, tree.order, corpus.ids, corpus.offsets, self.ngram, self.context)
        self.prob = np.where(np.isin(corpus.ids, left_out), 0.0, uniform)

    def advance(self, order: int, prob: np.ndarray, backoff: np.ndarray) -> None:
        """Take up the probabilities and back-offs (linear, aligned with the tree) of the next order."""
        ngram, context = self.ngram[order - 1], self.context[order - 1]
        weight = np.where(context >= 0, backoff[context], 1.0)
        self.prob = np.where(self.prob == 0, 0.0, np.where(ngram >= 0, prob[ngram], weight * self.prob))
