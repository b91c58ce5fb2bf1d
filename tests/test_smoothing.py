"""Each smoothing equals a twin written from its paper, and is a distribution in every history."""

from __future__ import annotations

import math

import naive_smoothing
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.settings import SmoothingSettings
from lmmix.vocab import Vocab

BOTH_FORMS = ["mkn", "kn", "abs", "abs:0.25", "mkn:0.4/1/2", "wb"]
INTERPOLATED_BY_DEFAULT = {"mkn", "kn", "abs", "wb", "jm"}

ZIPF = [" ".join("abcdefghij"[min(int(x), 10) - 1] for x in np.random.default_rng(s).zipf(1.6, 9)) for s in range(60)]
"""A text with some of every count, so that discounts come from their formulas."""


def corpus_of(sentences: list[list[str]], extra_words: tuple[str, ...] = ()) -> Corpus:
    lines = [" ".join(sentence) for sentence in sentences]
    vocab = Vocab.from_words([*corpus_from_lines(lines).vocab.words, *extra_words])
    return corpus_from_lines(lines, vocab)


def names_of(smoothing: str, order: int) -> list[str]:
    names = smoothing.split(",")
    return (names + [names[-1]] * order)[:order]


def forms_of(names: list[str], interpolated: bool | None) -> list[bool]:
    if interpolated is not None:
        return [interpolated] * len(names)
    return [name.split(":")[0] in INTERPOLATED_BY_DEFAULT for name in names]


def check_against_naive(
    sentences: list[list[str]],
    order: int,
    settings: SmoothingSettings,
    extra_words: tuple[str, ...] = (),
    rel: float = 1e-10,
    **naive: object,
) -> None:
    """Every event of the text, and every word after each of its histories, has the twin's probability."""
    corpus = corpus_of(sentences, extra_words)
    model = train_ngram(corpus, order, settings)
    names = names_of(settings.smoothing, order)
    minimum = [*settings.min_counts, *[settings.min_counts[-1]] * order][:order]
    twin = naive_smoothing.Smoothed(
        sentences, names, corpus.vocab.words, forms_of(names, settings.interpolated), minimum,
        settings.vocab_pad, settings.closed, **naive,  # type: ignore[arg-type]
    )  # fmt: skip
    logp = model.score(corpus)
    at = 0
    for sentence in sentences:
        history: tuple[str, ...] = ("<s>",)
        for word in [*sentence, "</s>"]:
            assert math.exp(logp[at]) == pytest.approx(twin.prob(word, history), rel=rel, abs=1e-14)
            history, at = (*history, word), at + 1
    state = model.start(1)
    history = ("<s>",)
    for word in sentences[0]:
        expected = [0.0 if other == "<s>" else twin.prob(other, history) for other in corpus.vocab.words]
        np.testing.assert_allclose(model.distribution(state)[0], expected, rtol=rel, atol=1e-13)
        _, state = model.advance(state, np.array([corpus.vocab.id(word)], np.int32))
        history = (*history, word)


@given(TEXTS, st.integers(1, 5), st.sampled_from(BOTH_FORMS), st.sampled_from([None, True, False]), st.booleans())
def test_probabilities_equal_naive(
    sentences: list[list[str]], order: int, smoothing: str, interpolated: bool | None, extra: bool
) -> None:
    check_against_naive(sentences, order, SmoothingSettings(smoothing, interpolated), ("x", "y") if extra else ())


@pytest.mark.parametrize("interpolated", [True, False])
@pytest.mark.parametrize("smoothing", BOTH_FORMS)
def test_a_text_with_all_counts_equals_naive(smoothing: str, interpolated: bool) -> None:
    sentences = [line.split() for line in ZIPF]
    check_against_naive(sentences, 4, SmoothingSettings(smoothing, interpolated), ("x",))
