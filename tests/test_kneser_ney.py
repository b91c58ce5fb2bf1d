"""Modified Kneser–Ney equals a twin written from the paper, and is a distribution in every history."""

from __future__ import annotations

import logging
import math

import naive_ngram
import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import SettingError
from lmmix.ngram.discounts import modified_discounts
from lmmix.ngram.estimate import train_ngram
from lmmix.vocab import Vocab


def check_against_naive(sentences: list[list[str]], order: int, extra_words: list[str]) -> None:
    lines = [" ".join(sentence) for sentence in sentences]
    own = corpus_from_lines(lines).vocab
    vocab = Vocab.from_words([*own.words, *extra_words])
    corpus = corpus_from_lines(lines, vocab)
    model = train_ngram(corpus, order)
    twin = naive_ngram.KneserNey(sentences, order, vocab.words)
    logp = model.score(corpus)
    at = 0
    for sentence in sentences:
        history: tuple[str, ...] = ("<s>",)
        for word in [*sentence, "</s>"]:
            assert math.exp(logp[at]) == pytest.approx(twin.prob(word, history), rel=1e-12)
            history, at = (*history, word), at + 1


@given(TEXTS, st.integers(1, 5), st.booleans())
def test_probabilities_equal_naive(sentences: list[list[str]], order: int, extra: bool) -> None:
    check_against_naive(sentences, order, ["x", "y"] if extra else [])


@pytest.mark.parametrize("order", [1, 2, 3, 5, 12])
def test_conforms(corpus: Corpus, order: int) -> None:
    check_language_model(train_ngram(corpus, order), corpus)


@given(TEXTS, st.integers(1, 4))
def test_every_distribution_sums_to_one(sentences: list[list[str]], order: int) -> None:
    text = corpus_from_lines([" ".join(sentence) for sentence in sentences])
    check_language_model(train_ngram(text, order), text)


def test_words_outside_the_text_share_the_uniform_mass() -> None:
    vocab = Vocab.from_words([*corpus_from_lines(LINES).vocab.words, "zebra", "yak"])
    model = train_ngram(corpus_from_lines(LINES, vocab), 3)
    p = model.distribution(model.start(1))[0]
    assert p[vocab.id("zebra")] == p[vocab.id("yak")] == p[vocab.id("<unk>")] > 0


def test_unk_in_the_text_is_an_ordinary_word() -> None:
    text = corpus_from_lines(["a <unk> b", "a <unk> c", "<unk> b"])
    check_language_model(train_ngram(text, 3), text)
    model = train_ngram(text, 2)
    assert model.hit_lengths(text)[1] == 2


def test_discounts_from_counts_of_counts() -> None:
    # Y = 100 / (100 + 2·40) = 5/9; D1 = 1 − 2Y·40/100, D2 = 2 − 3Y·20/40, D3 = 3 − 4Y·10/20
    y = 5 / 9
    found = modified_discounts(np.array([0, 100, 40, 20, 10, 0, 0, 0]), 3)
    assert found.values == pytest.approx((1 - 0.8 * y, 2 - 1.5 * y, 3 - 2 * y)) and not found.fixed


def test_discounts_are_extrapolated_along_a_line() -> None:
    # n_r = 400 / r², of which n3 and n4 are missing: n3 = 44.4, n4 = 25, Y = 2/3, D3 = 3 − 4Y·25/44.4
    found = modified_discounts(np.array([0, 400, 100, 0, 0, 3, 0, 0]), 2)
    assert found.values == pytest.approx((1 - 4 / 3 / 4, 2.0, 3 - 8 / 3 * 9 / 16))
    assert (found.fitted, found.fixed) == ((3,), ())


@pytest.mark.parametrize(
    ("counts", "fitted", "fixed"),
    [
        ([0, 0, 0, 0, 0, 4], (), (3,)),
        ([0, 5, 0, 2, 1, 0], (1, 3), ()),
        ([0, 5, 0, 0, 0, 9], (), (1, 3)),
        ([0, 0, 5, 2, 1, 0], (2, 3), ()),
        ([0, 9, 4, 0, 0, 2], (3,), ()),
        ([0, 30, 14, 25, 72, 0], (2, 3), ()),
    ],
)
def test_degenerate_discounts_fall_back_and_are_logged(
    counts: list[int], fitted: tuple[int, ...], fixed: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "lmmix"):
        found = modified_discounts(np.array([*counts, 0, 0]), 2)
    assert (found.fitted, found.fixed) == (fitted, fixed)
    assert all(0 < value <= r for r, value in enumerate(found.values, 1))
    assert "order 2" in caplog.text and all(f"D{r}" in caplog.text for r in (*fitted, *fixed))


@pytest.mark.parametrize("counts", [[0, 0, 0, 0, 0, 0, 0, 0], [0, 9, 4, 0, 0, 0, 0, 0]])
def test_discounts_that_no_ngram_needs_are_not_logged(counts: list[int], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "lmmix"):
        found = modified_discounts(np.array(counts), 2)
    assert not caplog.text and not found.fitted and not found.fixed


def test_result_does_not_depend_on_threads(corpus: Corpus) -> None:
    one, four = train_ngram(corpus, 4, threads=1), train_ngram(corpus, 4, threads=4)
    np.testing.assert_array_equal(one.logp, four.logp)
    np.testing.assert_array_equal(one.backoff, four.backoff)


def test_unknown_smoothing_is_refused(corpus: Corpus) -> None:
    with pytest.raises(SettingError, match="'magic'"):
        train_ngram(corpus, 2, "magic")


@pytest.mark.parametrize(
    ("order", "published"), [(2, 185.705), (3, 148.281), (4, 142.716), (5, 141.187)]
)  # SRILM and Mikolov's thesis, Table 4.1
def test_penn_treebank_perplexities(shared_data, order: int, published: float) -> None:
    from lmmix.corpus import read_corpus
    from lmmix.score import perplexity

    train = read_corpus(shared_data / "ptb" / "train.txt.gz")
    test = read_corpus(shared_data / "ptb" / "test.txt.gz", train.vocab)
    report = perplexity(train_ngram(train, order), test)
    assert (report.sentences, report.words, report.oov, report.zeroprob) == (3761, 78669, 0, 0)
    assert report.ppl == pytest.approx(published, abs=0.01)
