"""N-gram models that are near to other models: drawn texts, and n-grams with another model's probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES
from hypothesis import given
from hypothesis import strategies as st
from naive_approximation import mean_probabilities

from lmmix.adaptive.cache import CacheModel
from lmmix.approximation import approximate, convert_ngrams
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, SettingError
from lmmix.lm import load, remembers
from lmmix.mix.linear import LinearMixture
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.sampled_text import sample_text
from lmmix.sampling import draw
from lmmix.vocab import BOS, EOS, UNK, Vocab


@pytest.fixture(scope="module")
def truth() -> BackoffModel:
    return train_ngram(corpus_from_lines(LINES), 2, "abs:0.5")


def divergence(model: BackoffModel, other: BackoffModel, text: Corpus) -> float:
    """KL in nats an event along a text drawn from `model`."""
    return float((model.score(text) - other.score(text)).mean())


# Drawing


@given(
    st.lists(st.lists(st.sampled_from([0.0, 1e-300, 0.1, 0.5, 3.0]), min_size=7, max_size=7), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.2, 0.5, 0.9, math.nextafter(1.0, 0.0)]),
)
def test_a_draw_is_where_the_sum_passes(rows: list[list[float]], uniform: float) -> None:
    p = np.array([row for row in rows if sum(row)] or [[0.0, 1.0]])
    drawn = draw(p, np.full(len(p), uniform))
    for row, word in zip(p, drawn):
        assert row[word] > 0
        assert row[:word].sum() <= uniform * row.sum() * (1 + 1e-12)
        assert row[: word + 1].sum() >= uniform * row.sum() * (1 - 1e-12)


@pytest.mark.parametrize("size", [4, 9, 10, 101])
def test_draws_are_as_frequent_as_they_are_likely(size: int) -> None:
    rng = np.random.default_rng(size)
    p = rng.dirichlet(np.full(size, 0.5))
    share = np.bincount(draw(np.tile(p, (4000, 1)), (np.arange(4000) + 0.5) / 4000), minlength=size) / 4000
    np.testing.assert_allclose(share, p, atol=1 / 4000)


@pytest.mark.parametrize("sentences", [1, 7, 300])
def test_as_many_sentences_as_asked_for(truth: BackoffModel, sentences: int) -> None:
    text = sample_text(truth, sentences, seed=3)
    assert text.n_sentences == sentences and text.offsets[-1] == len(text.ids)
    assert (text.ids[text.offsets[1:] - 1] == EOS).all() and (text.ids == EOS).sum() == sentences
    assert not (text.ids == BOS).any() and np.isfinite(truth.score(text)).all()
    np.testing.assert_array_equal(text.ids, sample_text(truth, sentences, seed=3).ids)
    if sentences > 1:
        assert not np.array_equal(text.ids, sample_text(truth, sentences, seed=4).ids)


def test_words_are_drawn_as_often_as_the_model_says(truth: BackoffModel) -> None:
    text = sample_text(truth, 4000)
    first = np.bincount(text.ids[text.offsets[:-1]], minlength=len(truth.vocab)) / 4000
    np.testing.assert_allclose(first, truth.distribution(truth.start(1))[0], atol=0.03)
    assert (text.ids == UNK).any() and not len(text.oov_at)


def test_sentences_that_do_not_end_are_cut(truth: BackoffModel) -> None:
    logp = truth.logp.copy()
    logp[truth.tree.word == EOS] = -np.inf
    endless = BackoffModel(truth.tree, logp, truth.backoff, truth.vocab, "endless")
    assert (np.diff(sample_text(endless, 10, max_words=5).offsets) == 6).all()


def test_a_stream_is_a_document_to_a_model_that_remembers(truth: BackoffModel) -> None:
    cache = LinearMixture([truth, CacheModel(truth.vocab)], [0.2, 0.8])
    text = sample_text(cache, 40)
    result = approximate(cache, 2, 20)
    assert remembers(cache) and not remembers(result) and text.n_sentences == 40
    check_language_model(result, text)


# Approximation


def test_an_n_gram_model_is_found_again(truth: BackoffModel) -> None:
    fresh = sample_text(truth, 3000, seed=9)
    few, many = (approximate(truth, 2, sentences, "abs:0.5") for sentences in (30, 10_000))
    assert divergence(truth, few, fresh) > 5 * divergence(truth, many, fresh)
    assert divergence(truth, many, fresh) < 3e-3
    check_language_model(many, fresh)


def test_signature_names_the_choices(truth: BackoffModel) -> None:
    result = approximate(truth, 2, 20, seed=5)
    assert result.signature.endswith(f"|sampled:20,seed:5,from:({truth.signature.replace('|', ';')})")
    assert result.vocab == truth.vocab and result.order == 2


# Conversion


def random_model(seed: int, order: int, vocab: Vocab) -> BackoffModel:
    rng = np.random.default_rng(seed)
    words = list(vocab.words[3:])
    lines = [" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(12)]
    return train_ngram(corpus_from_lines(lines, vocab), order, "wb")


@given(seed=st.integers(0, 20), orders=st.tuples(st.integers(1, 3), st.integers(1, 4)), renumbered=st.booleans())
def test_converted_n_grams_have_the_mean_probabilities(seed: int, orders: tuple[int, int], renumbered: bool) -> None:
    words = ["a", "b", "c", "d"]
    vocab = Vocab.from_words(words)
    ngrams = random_model(seed, orders[0], vocab)
    model = random_model(seed + 1, orders[1], Vocab.from_words(words[::-1]) if renumbered else vocab)
    text = corpus_from_lines(["a b c", "d", "a a b c d d", "b e"], vocab)
    found = convert_ngrams(model, ngrams, text)
    tree = ngrams.tree
    ids: list[tuple[int, ...]] = [()] * tree.size
    for node in range(int(tree.level[tree.order])):
        for child in range(tree.begin[node], tree.begin[node + 1]):
            ids[child] = (*ids[node], int(tree.word[child]))
    contexts = set(ids[: int(tree.level[tree.order])])
    mean = in_ids_of(vocab, model, contexts, text)
    for child in range(1, tree.size):
        context, word = ids[child][:-1], ids[child][-1]
        wanted = mean[context][word] if context in mean else math.exp(ngrams.logp[child])
        explicit = [i for i in range(tree.size) if ids[i][:-1] == context and i]
        if len(explicit) < len(vocab) - 1 or context not in mean:
            assert math.exp(found.logp[child]) == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        else:  # all words: scaled to sum 1
            assert math.exp(found.logp[child]) == pytest.approx(wanted, rel=1e-6, abs=1e-12)
    check_language_model(found, text)


def in_ids_of(
    vocab: Vocab, model: BackoffModel, contexts: set[tuple[int, ...]], text: Corpus
) -> dict[tuple[int, ...], np.ndarray]:
    """`mean_probabilities` in the ids of `vocab`."""
    there, back = vocab.translation(model.vocab), model.vocab.translation(vocab)
    renumbered = {tuple(there[list(context)].tolist()) for context in contexts}
    mean = mean_probabilities(model, renumbered, text.recode(model.vocab))
    return {tuple(back[list(context)].tolist()): p[there] for context, p in mean.items()}


def test_a_converted_model_of_itself_stays_what_it_is(truth: BackoffModel) -> None:
    text = sample_text(truth, 200)
    longer = train_ngram(text, 3)
    result = convert_ngrams(truth, longer, text)
    highest = longer.tree.nodes(3)
    short = longer.tree.suffix[highest]
    # What `truth`, a bigram model, says does not depend on the third word.
    np.testing.assert_allclose(result.logp[highest], result.logp[short], atol=1e-9)
    assert divergence(truth, result, text) < divergence(truth, longer, sample_text(truth, 200, seed=2))


# Mistakes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": 0}, "order is 0"),
        ({"sentences": 0}, "sentences is 0"),
        ({"max_words": 0}, "max_words is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"smoothing": "mnk"}, "smoothing is 'mnk'"),
    ],
)
def test_bad_settings(truth: BackoffModel, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        approximate(truth, **settings)


def test_models_that_cannot_be_approximated(truth: BackoffModel) -> None:
    stupid = train_ngram(corpus_from_lines(LINES), 2, "stupid")
    with pytest.raises(SettingError, match="scores that are no probabilities"):
        approximate(stupid)
    with pytest.raises(SettingError, match="the n-gram model gives scores"):
        convert_ngrams(truth, stupid, corpus_from_lines(LINES))
    other = train_ngram(corpus_from_lines(["x y"]), 2)
    with pytest.raises(EventSpaceError, match="the n-gram model and the model have different vocabularies"):
        convert_ngrams(truth, other, corpus_from_lines(LINES))


def test_command(run, folder) -> None:
    assert run("ngram", "train.txt", "-o", "m.lmx", "--order", "2")[0] == 0
    status, out, _ = run("approximate", "m.lmx", "-o", "a.arpa", "-n", "50", "--order", "2", "--smoothing", "wb")
    assert status == 0 and out.startswith("a.arpa: 11 1-grams") and load("a.arpa").order == 2
    status, out, _ = run("approximate", "m.lmx", "-o", "b.lmx", "--ngrams", "a.arpa", "--text", "train.txt", "--json")
    assert status == 0 and "converted:" in load("b.lmx").signature and '"ngrams": [11' in out
    for arguments, message in {
        ("-n", "0"): "sentences is 0",
        ("--ngrams", "a.arpa"): "--ngrams and --text go together",
        ("--smoothing", "what"): "smoothing is 'what'",
    }.items():
        # Refused before the model is looked for.
        status, _, err = run("approximate", "none.lmx", "-o", "c.arpa", *arguments)
        assert status == 1 and message in err and err.count("\n") == 1
