"""Each smoothing equals a twin written from its paper, and is a distribution in every history."""

from __future__ import annotations

import math

import naive_smoothing
import numpy as np
import pytest
from conformance import check_language_model
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import SettingError
from lmmix.ngram import order_pass
from lmmix.ngram.counts import NgramCounts, count_ngrams
from lmmix.ngram.estimate import estimate, train_ngram
from lmmix.ngram.settings import SmoothingSettings
from lmmix.vocab import Vocab

BOTH_FORMS = ["mkn", "kn", "abs", "abs:0.25", "mkn:0.4/1/2", "wb"]
ONE_FORM = ["katz", "add:0.3", "add:1", "stupid:0.4"]
MIXED = ["wb,kn,mkn", "mkn,wb", "kn,abs,katz", "katz,wb,add:0.5,kn", "add:1,mkn,wb,katz"]
DEV = [["a", "b", "c"], ["d", "e", "a", "q"], ["b", "a"]]
INTERPOLATED_BY_DEFAULT = {"mkn", "kn", "abs", "wb", "jm"}

FEW = hypothesis_settings(max_examples=40)

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


@FEW
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


@FEW
@given(TEXTS, st.integers(1, 5), st.sampled_from(ONE_FORM), st.sampled_from([(1,), (1, 2)]), st.booleans())
def test_smoothings_of_one_form_equal_naive(
    sentences: list[list[str]], order: int, smoothing: str, min_counts: tuple[int, ...], extra: bool
) -> None:
    # Contexts that cut-offs take out of the model cost stupid back-off nothing, unlike those that stay.
    min_counts = (1,) if smoothing.startswith("stupid") else min_counts[:order]
    settings = SmoothingSettings(smoothing, min_counts=min_counts)
    check_against_naive(sentences, order, settings, ("x", "y") if extra else ())


@pytest.mark.parametrize("smoothing", ONE_FORM)
def test_a_text_with_all_counts_equals_naive_in_one_form(smoothing: str) -> None:
    check_against_naive([line.split() for line in ZIPF], 4, SmoothingSettings(smoothing), ("x",))


@FEW
@given(TEXTS, st.integers(4, 5), st.sampled_from(MIXED), st.sampled_from([(1,), (1, 2)]))
def test_mixed_orders_equal_naive(
    sentences: list[list[str]], order: int, smoothing: str, min_counts: tuple[int, ...]
) -> None:
    check_against_naive(sentences, order, SmoothingSettings(smoothing, min_counts=min_counts), ("x", "y"))


@FEW
@given(TEXTS, st.integers(1, 4))
def test_jelinek_mercer_equals_naive(sentences: list[list[str]], order: int) -> None:
    corpus = corpus_of(sentences, ("x",))
    dev = corpus_from_lines([" ".join(sentence) for sentence in DEV], corpus.vocab)
    lambdas = naive_smoothing.jelinek_mercer_weights(sentences, DEV, order, corpus.vocab.words)
    check_against_naive(sentences, order, SmoothingSettings("jm", held_out=dev), ("x",), rel=1e-6, lambdas=lambdas)


def test_jelinek_mercer_needs_a_held_out_text() -> None:
    with pytest.raises(SettingError, match="--held-out"):
        train_ngram(corpus_from_lines(ZIPF), 2, "jm")


@pytest.mark.parametrize("interpolated", [None, False])
@FEW
@given(sentences=TEXTS, order=st.integers(1, 4), smoothing=st.sampled_from([*BOTH_FORMS, *ONE_FORM[:3], *MIXED]))
def test_every_distribution_sums_to_one(
    interpolated: bool | None, sentences: list[list[str]], order: int, smoothing: str
) -> None:
    corpus = corpus_of(sentences, ("x",))
    smoothing = ",".join(smoothing.split(",")[:order])
    check_language_model(train_ngram(corpus, order, SmoothingSettings(smoothing, interpolated)), corpus)


def fractional(corpus: Corpus, order: int, weight: float) -> NgramCounts:
    counted = count_ngrams(corpus, order)
    return NgramCounts(counted.tree, counted.count * weight)


@FEW
@given(TEXTS, st.integers(1, 4), st.sampled_from(["wb", "add:0.5", "stupid:0.3"]), st.floats(0.01, 30))
def test_fractional_counts_equal_naive(sentences: list[list[str]], order: int, smoothing: str, weight: float) -> None:
    corpus = corpus_of(sentences, ("x",))
    model = estimate(fractional(corpus, order, weight), corpus.vocab, smoothing)
    twin = naive_smoothing.Smoothed(
        sentences, [smoothing] * order, corpus.vocab.words, [smoothing == "wb"] * order, weight=weight
    )
    state = model.start(1)
    expected = [0.0 if word == "<s>" else twin.prob(word, ("<s>",)) for word in corpus.vocab.words]
    np.testing.assert_allclose(model.distribution(state)[0], expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("smoothing", ["mkn", "kn", "abs", "katz"])
def test_fractional_counts_are_refused_with_the_remedy(smoothing: str) -> None:
    corpus = corpus_from_lines(ZIPF)
    with pytest.raises(SettingError, match="--smoothing wb"):
        estimate(fractional(corpus, 2, 0.5), corpus.vocab, smoothing)


@FEW
@given(
    TEXTS, st.integers(1, 3), st.sampled_from(["mkn", "wb", "katz"]), st.integers(0, 20), st.booleans(), st.booleans()
)
def test_vocabulary_options_equal_naive(
    sentences: list[list[str]], order: int, smoothing: str, pad: int, closed: bool, extra: bool
) -> None:
    settings = SmoothingSettings(smoothing, vocab_pad=pad, closed=closed)
    check_against_naive(sentences, order, settings, ("x",) if extra else ())


@pytest.mark.parametrize("smoothing", ["mkn", "katz"])
def test_closed_vocabulary_gives_unk_nothing_unless_the_text_has_it(smoothing: str) -> None:
    settings = SmoothingSettings(smoothing, closed=True)
    text = corpus_from_lines(ZIPF)
    model = train_ngram(text, 3, settings)
    assert model.distribution(model.start(1))[0, 0] == 0.0 and "closed:yes" in model.signature
    check_language_model(model, text)
    with_unk = corpus_from_lines([*ZIPF, "a <unk> b"])
    model = train_ngram(with_unk, 3, settings)
    assert model.distribution(model.start(1))[0, 0] > 0.0 and "closed" not in model.signature


def test_unigrams_may_back_off_in_an_interpolated_model() -> None:
    corpus = corpus_of([line.split() for line in ZIPF], ("x", "y"))
    model = train_ngram(corpus, 1, SmoothingSettings("wb", interpolate_unigrams=False))
    p = model.distribution(model.start(1))[0]
    total, types = len(corpus.ids), len(corpus.vocab) - 4
    assert p[corpus.vocab.id("x")] == pytest.approx(types / (total + types) / 3)
    assert p[corpus.vocab.id("a")] == pytest.approx(corpus.word_counts()[corpus.vocab.id("a")] / (total + types))


@pytest.mark.parametrize("interpolated", [None, False])
@pytest.mark.parametrize("smoothing", [*BOTH_FORMS, *ONE_FORM[:3]])
@pytest.mark.parametrize("lines", [["a"], ["a"] * 50, ["a b a b c"] * 30, ["a"] * 9 + ["b"]])
def test_degenerate_texts(lines: list[str], smoothing: str, interpolated: bool | None) -> None:
    for order in (1, 2, 6):
        corpus = corpus_from_lines(lines)
        check_language_model(train_ngram(corpus, order, SmoothingSettings(smoothing, interpolated)), corpus)


@pytest.mark.parametrize("smoothing", [*BOTH_FORMS, *ONE_FORM])
def test_result_does_not_depend_on_threads_or_pieces(smoothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpus_from_lines(ZIPF)
    whole = train_ngram(corpus, 4, smoothing, threads=1)
    monkeypatch.setattr(order_pass, "PIECE_CONTEXTS", 7)
    cut = train_ngram(corpus, 4, smoothing, threads=3)
    np.testing.assert_array_equal(whole.logp[1:], cut.logp[1:])
    np.testing.assert_array_equal(whole.backoff, cut.backoff)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SmoothingSettings("magic"), "'magic'"),
        (SmoothingSettings("abs:x"), "'abs:x'"),
        (SmoothingSettings("abs:0.1/0.2"), "discounts of abs"),
        (SmoothingSettings("mkn:0.5/1/4"), r"D3 in \(0, 3\]"),
        (SmoothingSettings("wb:1"), "'wb:1'"),
        (SmoothingSettings("add:0"), "more than 0"),
        (SmoothingSettings("stupid:2"), "at most 1"),
        (SmoothingSettings("wb,wb,wb"), "3 names"),
        (SmoothingSettings("wb,stupid"), "stands alone"),
        (SmoothingSettings("katz", interpolated=True), "katz is always backoff"),
        (SmoothingSettings("jm", interpolated=False), "jm is always interpolated"),
        (SmoothingSettings(vocab_pad=-1), "vocab_pad is -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: SmoothingSettings, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        train_ngram(corpus_from_lines(ZIPF), 2, settings)


def test_signature_names_every_choice() -> None:
    corpus = corpus_from_lines(ZIPF)
    settings = SmoothingSettings("wb,kn:0.5", False, (1, 2), vocab_pad=99, closed=True)
    signature = train_ngram(corpus, 4, settings).signature
    start = "order:4|smoothing:wb,kn:0.5|interpolated:no|min-counts:1,2|vocab-pad:99|closed:yes|tokens:whitespace|"
    assert signature.startswith(start)
