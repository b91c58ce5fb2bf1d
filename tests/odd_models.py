"""Models as other tools and pruning may leave them: suffixes missing, back-offs anywhere, probabilities 0."""

from __future__ import annotations

from random import Random

import numpy as np

from lmmix.corpus import corpus_from_lines
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.counts import count_ngrams
from lmmix.vocab import BOS


def odd_model(sentences: list[list[str]], order: int, random: Random) -> BackoffModel:
    """Some of the n-grams of a text, a context with each of them, with arbitrary numbers."""
    corpus = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    tree = count_ngrams(corpus, order, 1).tree
    keep = np.ones(tree.size, bool)
    for node in range(int(tree.level[tree.order])):
        for child in range(tree.begin[node], tree.begin[node + 1]):
            keep[child] = keep[node] and random.random() < 0.7
    part, _ = tree.selected(keep)
    rng = np.random.default_rng(random.randrange(10**6))
    logp = np.log(rng.uniform(0.001, 1, part.size))
    logp[rng.uniform(size=part.size) < 0.1] = -np.inf
    logp[1 + BOS] = -np.inf
    backoff = np.log(rng.uniform(0.1, 1.5, int(part.level[order])))
    backoff[rng.uniform(size=len(backoff)) < 0.3] = 0.0
    backoff[rng.uniform(size=len(backoff)) < 0.05] = -np.inf
    return BackoffModel(part, logp, backoff, corpus.vocab, "odd")
