"""Counting equals a dictionary of tuples; the links of the tree are what they say."""

from __future__ import annotations

import naive_ngram
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import SettingError
from lmmix.ngram import _count_kernels as kernels
from lmmix.ngram import counts as counting
from lmmix.ngram.counts import NgramCounts, count_ngrams

TEXTS = st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9), min_size=1, max_size=12)


def ngrams_of(counted: NgramCounts, corpus: Corpus) -> list[tuple[str, ...]]:
    """The n-gram of every node but the first, read off the links to the contexts."""
    tree, words = counted.tree, corpus.vocab.words
    ngrams: list[tuple[str, ...]] = [()] * tree.size
    for node in range(int(tree.level[tree.order])):
        for child in range(tree.begin[node], tree.begin[node + 1]):
            ngrams[child] = (*ngrams[node], words[tree.word[child]])
    return ngrams


def check_against_naive(sentences: list[list[str]], order: int, threads: int = 1) -> None:
    corpus = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    counted = count_ngrams(corpus, order, threads)
    ngrams = ngrams_of(counted, corpus)
    expected = naive_ngram.counts(sentences, order)
    assert {ngram: count for ngram, count in zip(ngrams[1:], counted.count[1:].tolist()) if count} == expected
    ids = [tuple(corpus.vocab.id(word) for word in ngram) for ngram in ngrams]
    for n in range(1, order + 1):
        level = ids[counted.tree.nodes(n)]
        assert level == sorted(set(level)) and all(len(ngram) == n for ngram in level)
    assert [ngrams[node] for node in counted.tree.suffix[1:]] == [ngram[1:] for ngram in ngrams[1:]]


@given(TEXTS, st.integers(1, 6))
def test_counts_and_links_equal_naive(sentences: list[list[str]], order: int) -> None:
    check_against_naive(sentences, order)


def test_order_beyond_the_longest_sentence() -> None:
    check_against_naive([["a"], ["a", "b"]], 9)


def test_one_word_and_one_repeated_sentence() -> None:
    check_against_naive([["a"]], 3)
    check_against_naive([["a", "b", "a", "b"]] * 50, 5)


def test_unknown_word_is_counted_as_unk() -> None:
    known = corpus_from_lines(["a b"]).vocab
    counted = count_ngrams(corpus_from_lines(["a z b z"], known), 2)
    assert counted.count[1] == 2


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_result_does_not_depend_on_threads_or_pieces(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    rng = np.random.default_rng(1)
    lines = [" ".join(f"w{int(x)}" for x in rng.zipf(1.3, 12) if x < 3000) or "x" for _ in range(800)]
    corpus = corpus_from_lines(lines)
    whole = count_ngrams(corpus, 4, threads=1)
    monkeypatch.setattr(counting, "PIECE_POSITIONS", 257)
    cut = count_ngrams(corpus, 4, threads)
    for name in ("level", "word", "begin", "suffix"):
        np.testing.assert_array_equal(getattr(whole.tree, name), getattr(cut.tree, name))
    np.testing.assert_array_equal(whole.count, cut.count)


def test_order_below_one_is_refused(corpus: Corpus) -> None:
    with pytest.raises(SettingError, match="order is 0"):
        count_ngrams(corpus, 0)


@pytest.mark.parametrize("size", [1, 2, 32, 33, 500, 4096, 9000])
@pytest.mark.parametrize("word_bits", [1, 8, 9, 17, 30])
def test_sort_group_is_a_stable_sort_by_word(size: int, word_bits: int) -> None:
    rng = np.random.default_rng(size)
    words = rng.integers(0, 1 << word_bits, size)
    around = np.array([7, 3]), np.array([5])
    keys = np.concatenate([around[0], (words << 32) | np.arange(size), around[1]])
    expected = np.concatenate([around[0], np.sort(keys[2:-1]), around[1]])
    kernels._sort_group(keys, 2, 2 + size, np.empty(size, np.int64), word_bits, np.empty(2048, np.int64))
    np.testing.assert_array_equal(keys, expected)
