"""Caches equal their naive twin, are distributions over whole documents, and say what they are."""

from __future__ import annotations

import json
import math
from pathlib import Path

import naive_adaptive
import numpy as np
import pytest
from conformance import check_language_model
from hypothesis import given
from hypothesis import strategies as st

from lmmix.adaptive.cache import CacheModel
from lmmix.corpus import Corpus, corpus_from_lines, read_corpus
from lmmix.errors import FormatError, SettingError
from lmmix.lm import described, is_distribution, load, remembers
from lmmix.mix.linear import LinearMixture
from lmmix.mixing import fit_mixture
from lmmix.ngram.estimate import train_ngram
from lmmix.score import perplexity
from lmmix.vocab import Vocab

VOCAB = Vocab.from_words(["a", "b", "c", "never"])

texts = st.lists(st.lists(st.sampled_from(["a", "b", "c", "zebra"]), max_size=7), max_size=8)
half_lives = st.one_of(st.floats(1e-3, 1e9), st.sampled_from([5e-324, 1e-300, 0.01, 1.0, 1e300, math.inf]))
priors = st.one_of(st.floats(1e-3, 1e3), st.sampled_from([1e-200, 1e200]))


def read(sentences: list[list[str]]) -> Corpus:
    return corpus_from_lines([" ".join(words) for words in sentences]).recode(VOCAB)


@given(texts, st.sampled_from([1, 2]), half_lives, priors, st.booleans())
def test_equals_naive(sentences: list[list[str]], order: int, half_life: float, prior: float, unk: bool) -> None:
    model = CacheModel(VOCAB, order, half_life, prior, unk)
    known = [[word if word in VOCAB else "<unk>" for word in words] + ["</s>"] for words in sentences]
    events = set(VOCAB.words) - {"<s>"}
    expected = naive_adaptive.cache(known, events, order, half_life, prior, unk)
    np.testing.assert_allclose(np.exp(model.score(read(sentences))), expected, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("half_life", [3.0, math.inf])
@pytest.mark.parametrize("unk", [True, False])
def test_conforms(corpus: Corpus, order: int, half_life: float, unk: bool) -> None:
    model = CacheModel(corpus.vocab, order, half_life, 0.5, unk)
    check_language_model(model, corpus)
    check_language_model(LinearMixture([train_ngram(corpus, 3), model], [0.9, 0.1]), corpus)


@given(texts, st.sampled_from([1, 2]), half_lives, st.booleans())
def test_distribution_equals_naive(sentences: list[list[str]], order: int, half_life: float, unk: bool) -> None:
    model = CacheModel(VOCAB, order, half_life, 0.7, unk)
    state, pairs, before = model.start(1), [], "<s>"
    for i in read(sentences).ids:
        state = model.advance(state, np.array([i], np.int32))[1]
        word = VOCAB.words[i]
        pairs.append((before, word))
        before = "<s>" if word == "</s>" else word
    expected = naive_adaptive.cache_distribution(pairs, before, set(VOCAB.words) - {"<s>"}, order, half_life, 0.7, unk)
    found = dict(zip(VOCAB.words, model.distribution(state)[0]))
    assert found.pop("<s>") == 0
    assert found == pytest.approx(expected, rel=1e-12)


def test_states_are_not_changed_by_going_on() -> None:
    model = CacheModel(VOCAB, 2)
    state = model.advance(model.start(2), np.array([3, 4], np.int32))[1]
    before = model.distribution(state)
    model.advance(state, np.array([5, 2], np.int32))
    np.testing.assert_array_equal(model.distribution(state), before)
    assert model.distribution(model.start(0)).shape == (0, len(VOCAB))


def test_long_text_neither_overflows_nor_forgets_too_soon() -> None:
    ids = np.tile(np.array([3, 4, 5, 2], np.int32), 50_000)
    corpus = Corpus(ids, np.arange(0, len(ids) + 1, 4), VOCAB)
    logp = CacheModel(VOCAB, 1, 2.0, 1e-9).score(corpus)
    # In the long run the event of four steps ago is the next: 2^(-3/2) · (1 + 1/4 + …) of 1 + 2^(-1/2) + …
    assert math.exp(logp[-1]) == pytest.approx(2**-1.5 / 0.75 * (1 - 2**-0.5), rel=1e-6)


def test_it_says_that_it_remembers(corpus: Corpus) -> None:
    model = CacheModel(corpus.vocab)
    assert is_distribution(model) and remembers(model)
    ngram = train_ngram(corpus, 2)
    assert not remembers(ngram) and remembers(LinearMixture([ngram, model], [0.5, 0.5]))


@pytest.mark.parametrize("settings", [{}, {"order": 2, "half_life": math.inf, "prior": 2, "unk": False}])
def test_description_round_trip(settings: dict) -> None:
    model = CacheModel(VOCAB, **settings)
    again = described(json.loads(json.dumps(model.description(), allow_nan=False)), VOCAB)
    assert again.signature == model.signature
    text = read([["a", "b"], ["a"]])
    np.testing.assert_array_equal(again.score(text), model.score(text))


@pytest.mark.parametrize("method", ["em", "context", "online"])
def test_mixture_with_a_cache_is_a_file_without_one(corpus: Corpus, tmp_path: Path, method: str) -> None:
    train_ngram(corpus, 2).save(tmp_path / "a.lmx")
    cache = CacheModel(corpus.vocab, 2, math.inf)
    fit = fit_mixture([load(tmp_path / "a.lmx"), cache], corpus, [tmp_path / "a.lmx", None], method=method)
    check_language_model(fit.mixture, corpus)
    fit.mixture.save(tmp_path / "mix.json")
    again = load(tmp_path / "mix.json")
    assert again.signature == fit.mixture.signature and remembers(again)
    np.testing.assert_array_equal(again.score(corpus), fit.mixture.score(corpus))


GOOD = {"kind": "cache", "order": 1, "half_life": 10, "prior": 1.0, "unk": True}


@pytest.mark.parametrize(
    "description, message",
    [
        ({}, "None, which is no language model without a file (cache would be)"),
        ([], "None, which is no language model without a file (cache would be)"),
        ({**GOOD, "kind": "cash"}, "'cash', which is no language model without a file (cache would be)"),
        ({"kind": "cache"}, "a cache has the field 'order', which is None here"),
        ({**GOOD, "order": True}, "a cache has the field 'order', which is True here"),
        ({**GOOD, "half_life": "long"}, "a cache has the field 'half_life', which is 'long' here"),
        ({**GOOD, "unk": 1}, "a cache has the field 'unk', which is 1 here"),
        ({**GOOD, "order": 3}, "the order of a cache is 3; it must be 1 or 2"),
        ({**GOOD, "half_life": 0}, "the half life of a cache is 0; it must be a number of events above 0, or inf"),
        ({**GOOD, "half_life": math.nan}, "the half life of a cache is nan; it must be"),
        ({**GOOD, "prior": 0}, "the prior of a cache is 0; it must be a number of events above 0"),
        ({**GOOD, "prior": math.inf}, "the prior of a cache is inf; it must be"),
    ],
)
def test_bad_descriptions_are_refused(description: dict, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        described(description, VOCAB)
    assert message in str(caught.value)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(SettingError, match="the half life of a cache is -1"):
        CacheModel(VOCAB, half_life=-1)


def test_penn_treebank_with_a_cache(shared_data: Path) -> None:
    """KN5 with a cache has a perplexity of 125.7 in Mikolov's thesis, Table 4.1; everything is tuned on `valid`."""
    folder = shared_data / "ptb"
    train = read_corpus(folder / "train.txt.gz")
    valid, test = (read_corpus(folder / f"{part}.txt.gz", train.vocab) for part in ("valid", "test"))
    ngram = train_ngram(train, 5)
    vocab = train.vocab
    words, both = CacheModel(vocab, 1, 100.0), CacheModel(vocab)
    several = [CacheModel(vocab, 2, half_life) for half_life in (60.0, 500.0, math.inf)]
    for caches, expected in (([words], 125.23), ([both], 120.23), (several, 117.64)):
        fit = fit_mixture([ngram, *caches], valid)
        assert perplexity(fit.mixture, test).ppl == pytest.approx(expected, abs=0.01)
