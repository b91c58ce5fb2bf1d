"""Weighted lines count as often as their weights say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import naive_counts
import naive_ngram
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_count_file import check_same, counts_of

from lmmix import weighted
from lmmix.corpus import Corpus, read_corpus
from lmmix.errors import FormatError, InputError, SettingError
from lmmix.ngram import counts as counting
from lmmix.ngram.counts import count_ngrams
from lmmix.vocab import Vocab
from lmmix.weighted import read_weighted_corpus, read_weights

Sentences = list[list[str]]
LINES = st.lists(st.lists(st.sampled_from(["a", "b", "c", "é"]), max_size=6), min_size=1, max_size=10)


def write(name: str, lines: list[str]) -> Path:
    path = Path(tempfile.mkdtemp()) / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def text_of(sentences: Sentences) -> Path:
    return write("text", [" ".join(sentence) for sentence in sentences])


def weights_of(weights: list[float]) -> Path:
    return write("weights", [repr(weight) for weight in weights])


def with_some_words(sentences: Sentences, weights: list[float]) -> tuple[Sentences, list[float]]:
    return [*sentences, ["a", "b"]], [*weights[: len(sentences)], 1.0]


@settings(max_examples=40)
@given(LINES, st.lists(st.sampled_from([0.0, 0.5, 1.0, 0.1, 3.0]), min_size=10, max_size=10), st.integers(1, 4))
def test_counts_equal_naive(sentences: Sentences, weights: list[float], order: int) -> None:
    sentences, weights = with_some_words(sentences, weights)
    corpus, weight = read_weighted_corpus([text_of(sentences)], weights_of(weights))
    counts = count_ngrams(corpus, order, weights=weight)
    assert counts.count.dtype == (np.int32 if (weight == np.floor(weight)).all() else np.float64)
    expected = naive_counts.weighted(sentences, weights, order)
    assert counts_of(counts, corpus.vocab) == pytest.approx(expected, rel=1e-14)


@settings(max_examples=40)
@given(LINES, st.lists(st.integers(0, 3), min_size=10, max_size=10), st.integers(1, 4))
def test_whole_weights_are_repetitions(sentences: Sentences, weights: list[float], order: int) -> None:
    sentences, weights = with_some_words(sentences, weights)
    corpus, weight = read_weighted_corpus([text_of(sentences)], weights_of(weights))
    repeated = [sentence for sentence, times in zip(sentences, weights) for _ in range(int(times)) if sentence]
    assert counts_of(count_ngrams(corpus, order, weights=weight), corpus.vocab) == naive_ngram.counts(repeated, order)


@settings(max_examples=40)
@given(LINES, st.lists(st.sampled_from([0.0, 1.0]), min_size=10, max_size=10), st.booleans())
def test_weight_zero_is_as_if_the_line_were_not_there(
    sentences: Sentences, weights: list[float], with_vocab: bool
) -> None:
    sentences, weights = with_some_words(sentences, weights)
    vocab = Vocab.from_words(["c", "a"]) if with_vocab else None
    corpus, weight = read_weighted_corpus([text_of(sentences)], weights_of(weights), vocab)
    plain = read_corpus(text_of([line for line, one in zip(sentences, weights) if one]), vocab)
    assert (weight == 1).all() and corpus.chars == plain.chars
    for name in ("ids", "offsets", "oov_at"):
        np.testing.assert_array_equal(getattr(corpus, name), getattr(plain, name))
    whole = count_ngrams(plain, 3)
    counts = count_ngrams(corpus, 3, weights=weight)
    np.testing.assert_array_equal(counts.count, whole.count)
    check_same((counting.NgramCounts(counts.tree, whole.count), corpus.vocab), (whole, plain.vocab))


def test_several_texts_share_the_weights_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [write("one", ["a b", "", "c"]), write("two", ["b", "a a", "", "d"])]
    original = weighted.read_line_chunks
    monkeypatch.setattr(weighted, "read_line_chunks", lambda path: original(path, 2))
    corpus, weight = read_weighted_corpus(texts, weights_of([2, 9, 0, 0.5, 0, 1, 4]))
    assert weight.tolist() == [2, 0.5, 4] and corpus.empty_lines == 4 and "c" not in corpus.vocab


@pytest.mark.parametrize("threads", [1, 3])
def test_sums_do_not_depend_on_threads_or_pieces(monkeypatch: pytest.MonkeyPatch, threads: int, corpus: Corpus) -> None:
    weight = np.random.default_rng(1).random(corpus.n_sentences)
    whole = count_ngrams(corpus, 4, 1, weight)
    monkeypatch.setattr(counting, "PIECE_POSITIONS", 5)
    np.testing.assert_array_equal(count_ngrams(corpus, 4, threads, weight).count, whole.count)


@pytest.mark.parametrize("bad", ["nan", "-1", "inf", "x", "", "1 2"])
def test_bad_weights_are_named(bad: str) -> None:
    with pytest.raises(FormatError, match="weights:2: .* is no weight"):
        read_weights(write("weights", ["1", bad, "3"]))


def test_other_failures(corpus: Corpus) -> None:
    text = write("text", ["a", "", "b"])
    for weights in ([1.0, 1.0], [1.0] * 4):
        with pytest.raises(InputError, match=rf"has {len(weights)} weights, but .*text have 3 lines"):
            read_weighted_corpus([text], weights_of(weights))
    with pytest.raises(InputError, match="every line is empty or has weight 0"):
        read_weighted_corpus([text], weights_of([0.0, 1.0, 0.0]))
    with pytest.raises(FormatError, match="no weight in it"):
        read_weights(write("weights", []))
    for values in (np.ones(3), np.zeros(corpus.n_sentences)):
        with pytest.raises(SettingError, match=f"{corpus.n_sentences} finite numbers above 0"):
            count_ngrams(corpus, 2, weights=values)
