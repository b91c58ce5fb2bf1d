"""Models of different vocabularies: the union of event spaces and how `<unk>` is spread over it."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from conformance import check_language_model
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_union import Probability, spelling_share, unigram_share, widened

from lmmix.adaptive.cache import CacheModel
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, SettingError
from lmmix.lm import LanguageModel, is_distribution, remembers
from lmmix.mix.linear import LinearMixture
from lmmix.mix.union import SPREADS, WidenedModel, one_event_space, spread_shares, union_vocab
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.packing import pack
from lmmix.score import token_scores
from lmmix.spelling import spelling_shares
from lmmix.vocab import BOS, SPECIALS, UNK, Vocab

PETS = ["the cat sat", "a dog and a cat", "the dog"]
ZOO = ["the zebra sat on a gnu", "a gnu sat", "the zebra"]
TEXT = ["the zebra sat", "a cat on a unicorn", "gnu"]


def naive(model: LanguageModel) -> Probability:
    """A model as a function of words."""

    def p(word: str, history: list[str]) -> float:
        state = model.start(1)
        for before in history[1:]:
            _, state = model.advance(state, np.array([model.vocab.id(before)], np.int32))
        return math.exp(model.advance(state, np.array([model.vocab.id(word)], np.int32))[0][0])

    return p


def events(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Each event of a text with its history."""
    out = []
    for line in lines:
        words = ["<s>", *line.split(), "</s>"]
        out += [(words[i], words[:i]) for i in range(1, len(words))]
    return out


def naive_shares(spread: str, models: list[LanguageModel], union: Vocab) -> dict[str, float]:
    if spread == "uniform":
        return dict.fromkeys(union.words, 1.0)
    if spread == "unigram":
        return unigram_share([dict(zip(m.vocab.words, m.unigram())) for m in models], set(union.words))  # type: ignore[attr-defined]
    words = union.words[len(SPECIALS) :]
    letters = naive(train_ngram(corpus_from_lines(" ".join(word) for word in words), 4, "wb"))
    return spelling_share(words, lambda word: math.prod(letters(*event) for event in events([" ".join(word)])))


@pytest.fixture(scope="module")
def models() -> list[LanguageModel]:
    return [train_ngram(corpus_from_lines(PETS), 3), train_ngram(corpus_from_lines(ZOO), 2)]


@pytest.mark.parametrize("spread", SPREADS)
def test_widened_models_equal_their_twin_and_conform(spread: str, models: list[LanguageModel]) -> None:
    union = union_vocab([model.vocab for model in models])
    share = naive_shares(spread, models, union)
    text = corpus_from_lines(TEXT)
    wide = one_event_space(models, spread)
    for model, inner in zip(wide, models):
        twin = widened(naive(inner), set(inner.vocab.words), set(union.words), share)
        expected = [math.log(twin(*event)) for event in events(TEXT)]
        np.testing.assert_allclose(model.score(text), expected, rtol=1e-9)
        assert f"widened:{spread}|" in model.signature and inner.signature in model.signature
        check_language_model(model, text)
        np.testing.assert_array_equal(model.score(text.recode(union)), model.score(text))


SENTENCES = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=4)


@given(SENTENCES, SENTENCES, SENTENCES, st.lists(st.floats(0.001, 10), min_size=9, max_size=9))
@settings(max_examples=25)
def test_any_texts_and_shares(first: list[str], second: list[str], text: list[str], numbers: list[float]) -> None:
    model, other = train_ngram(corpus_from_lines(first), 2, "wb"), corpus_from_lines(second)
    union = union_vocab([model.vocab, other.vocab])
    wide = WidenedModel(model, union, np.array(numbers[: len(union)]), "own")
    twin = widened(naive(model), set(model.vocab.words), set(union.words), dict(zip(union.words, numbers)))
    expected = [math.log(twin(*event)) for event in events(text)]
    np.testing.assert_allclose(wide.score(corpus_from_lines(text)), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(wide.distribution(wide.start(2)).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("spread", SPREADS)
def test_mixture_sums_to_one_and_is_the_weighted_sum(spread: str, models: list[LanguageModel]) -> None:
    wide = one_event_space(models, spread)
    mixture = LinearMixture(wide, [0.3, 0.7])
    text = corpus_from_lines(TEXT)
    check_language_model(mixture, text)
    expected = 0.3 * np.exp(wide[0].score(text)) + 0.7 * np.exp(wide[1].score(text))
    np.testing.assert_allclose(np.exp(mixture.score(text)), expected, rtol=1e-12)


def test_by_hand() -> None:
    """One unigram model of `a` (twice), one of `b`: add-one smoothing over three events each.

    Texts "a a" and "b": p1(a, </s>, unk) = (3, 2, 1)/6, p2(b, </s>, unk) = (2, 2, 1)/5. Over the union {a, b} the 1/6
    of <unk> in the first is split between b and <unk>; so is the 1/5 of the second between a and <unk>.
    """
    one, two = (train_ngram(corpus_from_lines([line]), 1, "add") for line in ("a a", "b"))
    np.testing.assert_allclose(one.unigram(), [1 / 6, 0, 2 / 6, 3 / 6])
    np.testing.assert_allclose(two.unigram(), [1 / 5, 0, 2 / 5, 2 / 5])
    text = corpus_from_lines(["a b c"])
    uniform = one_event_space([one, two], "uniform")
    np.testing.assert_allclose(np.exp(uniform[0].score(text)), [3 / 6, 1 / 12, 1 / 12, 2 / 6])
    np.testing.assert_allclose(np.exp(uniform[1].score(text)), [1 / 10, 2 / 5, 1 / 10, 2 / 5])
    # By unigrams: a has 1/2, b 2/5, <unk> the mean of 1/6 and 1/5, 11/60.
    unigram = one_event_space([one, two], "unigram")
    np.testing.assert_allclose(np.exp(unigram[0].score(text)), [3 / 6, 24 / 35 / 6, 11 / 35 / 6, 2 / 6])
    np.testing.assert_allclose(np.exp(unigram[1].score(text)), [30 / 41 / 5, 2 / 5, 11 / 41 / 5, 2 / 5])


@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=6, unique=True), min_size=1, max_size=4))
def test_union_holds_every_word_once_the_first_ones_first(lists: list[list[str]]) -> None:
    vocabs = [Vocab.from_words(words) for words in lists]
    union = union_vocab(vocabs)
    assert sorted(union.words[3:]) == sorted({word for words in lists for word in words})
    assert union.words[: len(vocabs[0])] == vocabs[0].words
    assert union == union_vocab(vocabs)


def test_nothing_to_widen_leaves_models_as_they_are(corpus: Corpus) -> None:
    models: list[LanguageModel] = [train_ngram(corpus, 2), train_ngram(corpus, 1)]
    assert all(a is b for a, b in zip(one_event_space(models, "uniform"), models))
    other = Vocab.from_words(reversed(corpus.vocab.words))
    same = WidenedModel(models[0], other, np.zeros(len(other)), "uniform")
    check_language_model(same, corpus)
    np.testing.assert_array_equal(same.score(corpus), models[0].score(corpus))


def test_a_model_that_remembers_still_does(models: list[LanguageModel]) -> None:
    union, text = union_vocab([model.vocab for model in models]), corpus_from_lines(TEXT * 2)
    cache = WidenedModel(CacheModel(models[0].vocab, 2), union, np.ones(len(union)), "uniform")
    assert remembers(cache)
    check_language_model(cache, text)


def test_what_the_model_inside_knows_of_histories_is_passed_on(models: list[LanguageModel]) -> None:
    wide, text = one_event_space(models, "uniform")[0], corpus_from_lines(TEXT)
    np.testing.assert_array_equal(wide.contexts(text), models[0].contexts(text))  # type: ignore[attr-defined]
    assert not hasattr(one_event_space([LinearMixture([models[0]], [1.0]), models[1]], "uniform")[0], "contexts")
    assert not hasattr(wide, "unpacked")


def test_tokens_of_widened_models_have_lengths(models: list[LanguageModel]) -> None:
    wide, text = one_event_space(models, "uniform"), corpus_from_lines(TEXT)
    logp, lengths = wide[0].score_with_lengths(text)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(logp, wide[0].score(text))
    np.testing.assert_array_equal(lengths, models[0].score_with_lengths(text)[1])  # type: ignore[attr-defined]
    tokens = list(token_scores(LinearMixture(wide, [0.5, 0.5]), text))
    assert [token.hits[0] for token in tokens] == lengths.tolist() and {len(token.hits) for token in tokens} == {2}
    cache = WidenedModel(CacheModel(models[0].vocab, 2), wide[0].vocab, np.ones(len(wide[0].vocab)), "uniform")
    assert [token.hits for token in token_scores(cache, text)] == [[]] * len(text.ids)


def test_unigrams_of_packed_models(corpus: Corpus) -> None:
    model = train_ngram(corpus, 3)
    np.testing.assert_allclose(pack(model).unigram(), model.unigram(), rtol=1e-6)
    assert pack(train_ngram(corpus, 1)).unigram().sum() == pytest.approx(1)


def test_spellings_are_a_distribution() -> None:
    vocab = Vocab.from_words(["a", "aa", "ba", "日本", "<s", "x\u00a0y", "ü"])
    shares = spelling_shares(vocab)
    assert shares.sum() == pytest.approx(1) and (shares >= 0).all() and shares[BOS] == 0 and shares[UNK] > 0
    assert (shares[len(SPECIALS) :] > 0).all()


def test_closed_vocabulary_warns_and_gives_the_words_it_lacks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    closed, open_one = train_ngram(corpus_from_lines(PETS), 2), train_ngram(corpus_from_lines(ZOO), 2)
    closed.logp[1 + UNK] = -np.inf
    with caplog.at_level(logging.WARNING, "lmmix"):
        wide = one_event_space([closed, open_one], "uniform", ["pets.arpa", "zoo.arpa"])
    assert [record.getMessage() for record in caplog.records] == [
        "pets.arpa has a closed vocabulary (its <unk> has probability 0): the 3 words that it lacks get 0 from it"
    ]
    assert wide[0].score(corpus_from_lines(["zebra"]))[0] == -np.inf
    assert np.isfinite(LinearMixture(wide, [0.5, 0.5]).score(corpus_from_lines(TEXT))).all()


def test_signature_tells_whether_it_is_a_distribution_and_which_shares(models: list[LanguageModel]) -> None:
    scores = train_ngram(corpus_from_lines(ZOO), 2, "stupid")
    wide = one_event_space([models[0], scores], "uniform")
    assert is_distribution(wide[0]) and not is_distribution(wide[1])
    vocab = union_vocab([model.vocab for model in models])
    shares = np.ones(len(vocab))
    one = WidenedModel(models[0], vocab, shares, "own").signature
    shares[vocab.id("cat")] = 3.0
    assert WidenedModel(models[0], vocab, shares, "own").signature == one
    shares[vocab.id("zebra")] = 2.0
    assert WidenedModel(models[0], vocab, shares, "own").signature != one


class TestRefused:
    def test_different_tokenisers(self) -> None:
        with pytest.raises(EventSpaceError, match=r"vocabulary 2 by 'chars'.*train all models with one --tokenizer"):
            union_vocab([Vocab.from_words(["a"]), Vocab.from_words(["a"], "chars")])

    def test_a_smaller_vocabulary(self, models: list[LanguageModel]) -> None:
        with pytest.raises(EventSpaceError, match=r"m\.arpa cannot be widened .* lacks its word 'cat'"):
            WidenedModel(models[0], Vocab.from_words(["the"]), np.ones(4), "uniform", "m.arpa")

    @pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
    def test_impossible_shares(self, bad: float, models: list[LanguageModel]) -> None:
        vocab = union_vocab([model.vocab for model in models])
        shares = np.ones(len(vocab))
        shares[UNK] = bad
        with pytest.raises(SettingError, match="none negative"):
            WidenedModel(models[0], vocab, shares, "own")
        with pytest.raises(SettingError, match="has a share"):
            WidenedModel(models[0], vocab, np.zeros(len(vocab)), "own")
        with pytest.raises(SettingError, match=r"shape \(2,\)"):
            WidenedModel(models[0], vocab, np.ones(2), "own")

    def test_unknown_spread_and_words_without_unigrams(self, models: list[LanguageModel]) -> None:
        with pytest.raises(SettingError, match="'even' is no way .* uniform, unigram, chars"):
            one_event_space(models, "even")
        vocab = union_vocab([model.vocab for model in models])
        without = LinearMixture([models[1]], [1.0])
        with pytest.raises(SettingError, match="the word 'zebra' is in no model .* uniformly or by chars"):
            spread_shares("unigram", [models[0], without], vocab)
