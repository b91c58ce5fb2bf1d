"""What is left of a tree is a tree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS, ngrams_of

from lmmix.corpus import corpus_from_lines
from lmmix.ngram.counts import NgramCounts, count_ngrams


@given(TEXTS, st.integers(1, 5), st.randoms())
def test_selected_nodes_keep_their_ngrams_and_longest_suffixes(sentences, order: int, random) -> None:
    corpus = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    counted = count_ngrams(corpus, order, 1)
    tree = counted.tree
    keep = np.zeros(tree.size, bool)
    keep[: tree.level[2]] = True
    for node in range(int(tree.level[tree.order])):
        for child in range(tree.begin[node], tree.begin[node + 1]):
            keep[child] |= keep[node] and random.random() < 0.6
    part, nodes = tree.selected(keep)
    whole_ngrams = ngrams_of(counted, corpus)
    ngrams = ngrams_of(NgramCounts(part, counted.count[nodes]), corpus)
    assert ngrams == [whole_ngrams[node] for node in nodes]
    assert [len(ngram) for ngram in ngrams] == np.repeat(range(order + 1), np.diff(part.level)).tolist()
    number = {ngram: node for node, ngram in enumerate(ngrams)}
    for node, ngram in enumerate(ngrams):
        suffixes = [ngram[i:] for i in range(1, len(ngram) + 1)]
        assert part.suffix[node] == next((number[s] for s in suffixes if s in number), 0)
