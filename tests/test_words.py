"""Word probabilities of models of pieces."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_words import END, World, ends_here, ids_of, naive_distribution, string_logp, uncorrected_sum

from lmmix.corpus import corpus_from_lines
from lmmix.errors import EventSpaceError, SettingError
from lmmix.lm import remembers, taken
from lmmix.mix.linear import LinearMixture
from lmmix.mix.online import OnlineMixture
from lmmix.mix.union import WidenedModel
from lmmix.ngram.estimate import train_ngram
from lmmix.pieces import train_pieces
from lmmix.tokenize import tokenizer
from lmmix.vocab import BOS, EOS, UNK, Vocab
from lmmix.words.masses import score_with_mass
from lmmix.words.model import FLOOR, WordModel

TEXT = [*LINES, "cats and dogs sat", "the cats cat the dogs"]
WORDS = corpus_from_lines(TEXT)
OTHER = [*TEXT[:5], "the zebra sat", "cathedral", "zebra zebra cats"]
"""Sentences with words outside the vocabulary."""

KINDS = ["chars", "bytes", "bpe", "unigram"]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """Names of tokenisers by kind."""
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text").write_text("\n".join(TEXT * 3))
    names = {"chars": "chars", "bytes": "bytes"}
    for kind, size in (("bpe", 284), ("unigram", 276)):
        train_pieces([folder / "text"], folder / kind, size, kind)
        names[kind] = f"sentencepiece:{folder / kind}"
    return names


def ngram_of_pieces(name, order=3):
    return train_ngram(corpus_from_lines(TEXT, tokenizer=name), order, "wb")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_all_words_of_a_closed_world_sum_to_one(tokenizers, kind, seed):
    words = ["a", "cat", "cats", "dog", "ca", "t", "s"]
    world = World(words, tokenizers[kind], seed)
    model = WordModel(world, Vocab.from_words(words))
    rng = np.random.default_rng(seed)
    history: list[str] = []
    state = model.start(1)
    for _ in range(4):
        p = model.distribution(state)[0]
        assert abs(p[UNK + 1 :].sum() - 1.0) < 1e-9
        assert p[UNK] < 1e-9
        expected = naive_distribution(world, model.vocab, history)
        assert [p[model.vocab.id(word)] for word in words] == pytest.approx([expected[w] for w in words], rel=1e-9)
        assert p[EOS] == pytest.approx(expected[END], rel=1e-9)
        word = int(rng.choice(np.flatnonzero(p[3:] > 1e-9))) + 3
        logp, state = model.advance(state, np.array([word]))
        assert logp[0] == pytest.approx(math.log(p[word]), rel=1e-9)
        history.append(model.vocab.words[word])


@pytest.mark.parametrize("kind", KINDS)
def test_products_of_pieces_do_not_sum_to_one_over_words(tokenizers, kind):
    words = ["a", "cat", "cats", "dog", "ca", "t", "s"]
    vocab = Vocab.from_words(words)
    worlds = [World(words, tokenizers[kind], seed) for seed in range(5)]
    for history in ([], ["cat"]):
        assert max(abs(uncorrected_sum(world, vocab, history) - 1.0) for world in worlds) > 0.001


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_an_open_world_are_those_of_the_slow_way(tokenizers, kind):
    pieces = ngram_of_pieces(tokenizers[kind])
    vocab = Vocab.from_words(["cat", "cats", "the", "dog", "do", "horse"])
    model = WordModel(pieces, vocab)
    for history in ([], ["the"], ["the", "cats"], ["do", "do", "horse"], ["<unk>", "dog"]):
        state = model.start(1)
        for word in history:
            state = model.advance(state, np.array([vocab.id(word)]))[1]
        expected = naive_distribution(pieces, vocab, history)
        found = dict(zip(vocab.words, model.distribution(state)[0].tolist()))
        assert found.pop("<s>") == 0.0
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_a_sentence_multiply_to_its_pieces(tokenizers, kind):
    pieces = ngram_of_pieces(tokenizers[kind])
    logp = WordModel(pieces, WORDS.vocab).score(WORDS)
    for line, total in zip(TEXT, np.add.reduceat(logp, WORDS.offsets[:-1])):
        whole = string_logp(pieces, [*ids_of(line.split(), pieces.vocab), EOS])
        assert total == pytest.approx(whole - math.log(ends_here(pieces, [])), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_conforms_over_ngrams(tokenizers, kind):
    check_language_model(WordModel(ngram_of_pieces(tokenizers[kind]), WORDS.vocab), corpus_from_lines(OTHER))


def test_conforms_over_a_mixture_and_in_one(tokenizers):
    name = tokenizers["bpe"]
    parts = [ngram_of_pieces(name, order) for order in (1, 4)]
    words = WordModel(LinearMixture(parts, [0.3, 0.7]), WORDS.vocab)
    text = corpus_from_lines(OTHER)
    check_language_model(words, text)
    mixture = LinearMixture([train_ngram(WORDS, 2, "wb"), words], [0.5, 0.5])
    check_language_model(mixture, text)
    single = [WordModel(part, WORDS.vocab) for part in parts]
    assert not np.allclose(words.score(text), LinearMixture(single, [0.3, 0.7]).score(text))


@pytest.mark.parametrize("context", ["sentence", "document"])
@pytest.mark.parametrize("kind", ["chars", "unigram"])
def test_conforms_over_networks(tokenizers, kind, context):
    pytest.importorskip("torch")
    from lmmix.neural.training.train import train_neural

    text = corpus_from_lines(TEXT, tokenizer=tokenizers[kind])
    small = {"embedding": 12, "hidden": 16, "batch_tokens": 24, "max_length": 6, "threads": 1}
    pieces = train_neural(text, text, context=context, epochs=3, **small)
    model = WordModel(pieces, WORDS.vocab)
    assert remembers(model) == (context == "document")
    check_language_model(model, corpus_from_lines(OTHER[3:]), tolerance=1e-5)

    # The network's own way to masses against the general one.
    sets, which = model.spellings.opens, np.arange(len(text.ids)) % 3 - 1
    own, general = pieces.score_with_mass(text, sets, which), score_with_mass(Plain(pieces), text, sets, which)
    np.testing.assert_array_equal(own[0], pieces.score(text))
    np.testing.assert_allclose(own[1], general[1], atol=1e-6)
    assert (own[1][which < 0] == 0).all() and (own[1][which >= 0] < 0).all()


class Plain:
    """A model without what is optional but `take`."""

    def __init__(self, model):
        self.vocab, self.signature = model.vocab, model.signature
        self.score, self.start, self.advance = model.score, model.start, model.advance
        self.distribution, self.take = model.distribution, model.take


def test_histories_are_taken_any_number_of_times(tokenizers):
    pieces = ngram_of_pieces(tokenizers["unigram"])
    words = WordModel(pieces, WORDS.vocab)
    small = train_ngram(corpus_from_lines(TEXT[:2]), 2, "wb")
    members = [WidenedModel(small, WORDS.vocab, np.ones(len(WORDS.vocab)), "uniform"), words]
    for model in (words, LinearMixture(members, [0.5, 0.5]), OnlineMixture(members, [0.5, 0.5])):
        ids = [WORDS.vocab.id(word) for word in ("the", "cats", "</s>", "<unk>")]
        state = model.advance(model.start(4), np.array(ids))[1]
        rows = np.array([2, 0, 0, 3])
        some = taken(model, state, rows)
        np.testing.assert_allclose(model.distribution(some), model.distribution(state)[rows], rtol=1e-12)
        logp, after = model.advance(some, np.array(ids))
        assert logp[0] == pytest.approx(math.log(model.distribution(some)[0, ids[0]]))
        np.testing.assert_allclose(model.distribution(after).sum(axis=1), 1.0, rtol=1e-12)
        assert model.distribution(taken(model, state, rows[:0])).shape == (0, len(WORDS.vocab))


def test_words_with_the_same_pieces_share_and_words_without_share_the_rest(caplog):
    text = corpus_from_lines(["ab ba", "a"], tokenizer="chars")
    pieces = train_ngram(text, 2, "wb")
    shared = ["a", "ñu", "ßu", "a\N{NO-BREAK SPACE}b", "▁"]
    with caplog.at_level(logging.INFO, "lmmix"):
        model = WordModel(pieces, Vocab.from_words(shared))
    assert model.spellings.unspelled == ("a\N{NO-BREAK SPACE}b", "▁")
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "cannot spell 2 words, as 'a\\xa0b'" in caplog.text
    p = dict(zip(model.vocab.words, model.distribution(model.start(1))[0]))
    alone = WordModel(pieces, Vocab.from_words(["a", "ñu"]))
    q = dict(zip(alone.vocab.words, alone.distribution(alone.start(1))[0]))
    assert p["ñu"] == p["ßu"] == pytest.approx(q["ñu"] / 2) and p["ñu"] > 0
    assert p["<unk>"] == p["a\N{NO-BREAK SPACE}b"] == p["▁"] == pytest.approx(q["<unk>"] / 3)
    check_language_model(model, corpus_from_lines(["a ñu ▁ ßu", "zebra"]))


def test_what_cannot_be_has_no_probability_but_unk_has_the_floor():
    world = World(["a", "ab"], "chars", 1)
    world.table[:, world.nodes[0, (world.vocab.id("a"),)]] = np.eye(len(world.vocab))[world.vocab.id("b")]
    model = WordModel(world, Vocab.from_words(["a", "ab"]))
    a, ab = (model.vocab.id(word) for word in ("a", "ab"))
    p = model.distribution(model.start(1))[0]
    assert p[a] == 0 and p[ab] + p[EOS] == pytest.approx(1) and p[UNK] == FLOOR and p[BOS] == 0
    logp, behind = model.advance(model.start(1), np.array([a]))
    assert logp[0] == -np.inf
    # Nothing comes behind it, so all that may come is unknown.
    assert model.distribution(behind)[0, UNK] == 1.0
    text = corpus_from_lines(["a ab", "ab zebra"], model.vocab)
    folded, state = [], model.start(1)
    for word in text.ids:
        one, state = model.advance(state, np.array([word]))
        folded.append(one[0])
    np.testing.assert_allclose(model.score(text), folded)
    assert model.score(corpus_from_lines([], model.vocab)).shape == (0,)


def test_only_models_of_pieces_are_taken(tmp_path):
    letters = train_ngram(corpus_from_lines(["cat ab"], tokenizer="chars"), 2)
    with pytest.raises(EventSpaceError, match="already"):
        WordModel(train_ngram(WORDS, 2), WORDS.vocab)
    with pytest.raises(EventSpaceError, match="'chars'; it must be one of words"):
        WordModel(letters, letters.vocab)
    with pytest.raises(SettingError, match="do not sum to 1"):
        WordModel(train_ngram(corpus_from_lines(["ab"], tokenizer="chars"), 2, "stupid"), WORDS.vocab)
    with pytest.raises(EventSpaceError, match="no piece of 'chars' begins a word"):
        WordModel(train_ngram(corpus_from_lines(["ab"], tokenizer="chars"), 2), WORDS.vocab)
    with pytest.raises(EventSpaceError, match="spell none of the 2 words of the vocabulary, such as 'ж'"):
        WordModel(letters, Vocab.from_words(["\N{NO-BREAK SPACE}", "ж"]))
    model = Plain(WordModel(letters, WORDS.vocab))
    del model.take
    with pytest.raises(SettingError, match="in several ways"):
        taken(model, model.start(1), np.zeros(1, np.int64))


def test_pieces_that_span_words_are_refused(tmp_path):
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 9), model_prefix=str(tmp_path / "m"), vocab_size=22, minloglevel=2,
        treat_whitespace_as_suffix=True,
    )  # fmt: skip
    model = ngram_of_pieces(f"sentencepiece:{tmp_path / 'm.model'}")
    with pytest.raises(SettingError, match="behind other characters"):
        WordModel(model, WORDS.vocab)


def test_pieces_without_a_mark_before_the_first_word(tmp_path):
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 9), model_prefix=str(tmp_path / "m"), vocab_size=22, minloglevel=2,
        add_dummy_prefix=False,
    )  # fmt: skip
    name = f"sentencepiece:{tmp_path / 'm.model'}"
    assert not tokenizer(name).transform(b"the\n").startswith("▁".encode())
    model = WordModel(ngram_of_pieces(name), WORDS.vocab)
    check_language_model(model, corpus_from_lines(OTHER))
