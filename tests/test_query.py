"""Scores of texts and of sentences equal a dictionary of n-grams to the last bit."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import naive_ngram
import numpy as np
import pytest
from conftest import LINES
from hypothesis import given
from hypothesis import strategies as st
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import InputError
from lmmix.ngram import backoff
from lmmix.ngram.arpa import read_arpa
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram

Ngram = tuple[str, ...]

QUERIES = st.lists(st.lists(st.sampled_from("abcdez"), max_size=20), min_size=1, max_size=20)


def odd_model(sentences: list[list[str]], order: int, seed: int) -> BackoffModel:
    """A model with random numbers and about half of the n-grams of a text, so that many suffixes are missing."""
    trained = train_ngram(corpus_from_lines([" ".join(words) for words in sentences]), order)
    rng, tree = np.random.default_rng(seed), trained.tree
    keep = rng.random(tree.size) < 0.7
    keep[: tree.level[2]] = True
    for node in range(int(tree.level[order])):
        keep[tree.begin[node] : tree.begin[node + 1]] &= keep[node]
    tree, _ = tree.selected(keep)
    logp, weights = -rng.exponential(3.0, tree.size), rng.normal(0.0, 1.0, int(tree.level[order]))
    logp[rng.random(tree.size) < 0.1] = -np.inf
    return BackoffModel(tree, logp, weights, trained.vocab, "odd")


def as_dictionaries(model: BackoffModel) -> tuple[dict[Ngram, float], dict[Ngram, float]]:
    """ln p and back-off of every n-gram."""
    tree, words = model.tree, model.vocab.words
    ngrams: list[Ngram] = [()] * tree.size
    for node in range(int(tree.level[tree.order])):
        for child in range(tree.begin[node], tree.begin[node + 1]):
            ngrams[child] = (*ngrams[node], words[tree.word[child]])
    return dict(zip(ngrams[1:], model.logp[1:].tolist())), dict(zip(ngrams[1:], model.backoff[1:].tolist()))


class Naive:
    """Scores sentences with the n-grams of a model as dictionaries."""

    def __init__(self, model: BackoffModel) -> None:
        self.vocab, self.order = model.vocab, model.order
        self.logp, self.backoff = as_dictionaries(model)

    def scores(self, words: list[str], bos: bool = True, eos: bool = True) -> list[tuple[float, int, bool]]:
        """(ln p, length, OOV) of each event."""
        history: Ngram = ("<s>",) if bos else ()
        rows = []
        for word in [*words, "</s>"] if eos else words:
            known = word if word in self.vocab else "<unk>"
            logp, length = naive_ngram.walk(self.logp, self.backoff, history, known, self.order)
            rows.append((logp, length, word not in self.vocab))
            history = (*history, known)
        return rows


@given(TEXTS, QUERIES, st.integers(1, 6), st.integers(0, 1000), st.integers(1, 9))
def test_texts_equal_naive_bit_for_bit(
    sentences: list[list[str]], queries: list[list[str]], order: int, seed: int, longest: int
) -> None:
    """However sentences are cut into stretches and stretches are dealt to threads."""
    model = odd_model(sentences, order, seed)
    text = corpus_from_lines([" ".join(words) for words in queries])
    naive = Naive(model)
    expected = [row for words in queries for row in naive.scores(words)]
    with mock.patch.multiple(backoff, LONGEST=longest, PIECE=3):
        for threads in (1, 2):
            logp, lengths = model.score_with_lengths(text, threads)
            assert logp.tolist() == [row[0] for row in expected]
            assert lengths.tolist() == [row[1] for row in expected]
    np.testing.assert_array_equal(model.score(text), logp)
    np.testing.assert_array_equal(model.hit_lengths(text), lengths)


@given(TEXTS, QUERIES, st.integers(1, 6), st.integers(0, 1000), st.booleans(), st.booleans())
def test_sentences_equal_naive_bit_for_bit(
    sentences: list[list[str]], queries: list[list[str]], order: int, seed: int, bos: bool, eos: bool
) -> None:
    model = odd_model(sentences, order, seed)
    naive = Naive(model)
    for words in queries:
        expected = naive.scores(words, bos, eos)
        assert model.full_scores(" ".join(words), bos, eos).tolist() == expected
        assert model.score_sentence(" ".join(words), bos, eos) == sum(row[0] for row in expected)


def test_advance_equals_score() -> None:
    model = odd_model([line.split() for line in LINES], 4, 1)
    text = corpus_from_lines(LINES, model.vocab)
    logp = model.score(text)
    for lo, hi in zip(text.offsets[:-1], text.offsets[1:]):
        state = model.start(1)
        for t in range(lo, hi):
            one, state = model.advance(state, text.ids[t : t + 1])
            assert one[0] == logp[t]


@given(TEXTS, QUERIES, st.integers(1, 6), st.integers(0, 1000))
def test_contexts_are_the_states_before_the_events(
    sentences: list[list[str]], queries: list[list[str]], order: int, seed: int
) -> None:
    model = odd_model(sentences, order, seed)
    text = corpus_from_lines([" ".join(words) for words in queries]).recode(model.vocab)
    expected = []
    for lo, hi in zip(text.offsets[:-1], text.offsets[1:]):
        state = model.start(1)
        for t in range(lo, hi):
            expected.append(int(state[0]))
            _, state = model.advance(state, text.ids[t : t + 1])
    context = model.contexts(text, 1)
    assert context.dtype == np.int32 and context.tolist() == expected


ODD_ARPA = """\\data\\
ngram 1=4
ngram 2=4
ngram 3=2

\\1-grams:
-99\t<s>\t-0.4
-0.9\t</s>\t-0.3
-0.5\ta\t-0.2
-0.7\tb

\\2-grams:
-0.2\t<s> a\t-0.6
-0.1\t</s> a\t-0.7
-0.8\ta </s>\t-0.9
-0.3\ta b

\\3-grams:
-0.25\ta </s> a
-0.35\t<s> a b

\\end\\
"""


def test_arpa_without_unk_and_with_the_sentence_end_inside(tmp_path: Path) -> None:
    path = tmp_path / "odd.arpa"
    path.write_text(ODD_ARPA)
    model = read_arpa(path, repair=True)
    queries = [["a", "b"], [], ["b", "a", "z", "a", "b"], ["z"]]
    naive = Naive(model)
    for words in queries:
        assert model.full_scores(" ".join(words)).tolist() == naive.scores(words)
    assert model.score_sentence("z") == -np.inf
    text = corpus_from_lines([" ".join(words) for words in queries])
    assert model.score(text).tolist() == [row[0] for words in queries for row in naive.scores(words)]


@pytest.fixture(scope="module")
def model() -> BackoffModel:
    return train_ngram(corpus_from_lines([*LINES, "früh übt sich 猫"]), 3)


def test_words_are_parted_as_everywhere(model: BackoffModel) -> None:
    expected = model.score_sentence("the cat sat")
    for text in ("the\tcat\0sat", "  the  cat \v\f sat \r\n", "the\ncat\nsat\n"):
        assert model.score_sentence(text) == expected
    # A no-break space is part of a word.
    assert model.full_scores("the\u00a0cat").tolist()[0][2]


def test_words_beyond_ascii(model: BackoffModel) -> None:
    scores = model.full_scores("früh übt 猫 犬")
    assert scores["oov"].tolist() == [False, False, False, True, False]
    assert scores["length"].tolist()[:2] == [2, 3]
    assert scores["logp"].tolist() == model.score(corpus_from_lines(["früh übt 猫 犬"])).tolist()


def test_no_word_at_all(model: BackoffModel) -> None:
    end = model.advance(model.start(1), np.array([2], np.int32))[0][0]
    for text in ("", " ", "\n"):
        assert model.score_sentence(text) == end
        assert model.score_sentence(text, eos=False) == 0.0
        assert len(model.full_scores(text)) == 1 and len(model.full_scores(text, eos=False)) == 0


def test_very_long_sentence(model: BackoffModel) -> None:
    line = " ".join(LINES) + " zebra "
    text = corpus_from_lines([line * 500])
    scores = model.full_scores(line * 500)
    assert len(scores) == len(text.ids) and scores["logp"].tolist() == model.score(text).tolist()
    assert scores["length"].tolist() == model.hit_lengths(text).tolist()
    assert model.score_sentence(line * 500) == pytest.approx(model.score(text).sum(), rel=1e-12)


@pytest.mark.parametrize("method", ["score_sentence", "full_scores"])
def test_what_is_no_sentence_is_refused(model: BackoffModel, method: str) -> None:
    with pytest.raises(InputError, match="'the <s> cat': <s> stands inside the sentence"):
        getattr(model, method)("the <s> cat")
    with pytest.raises(InputError, match="</s> stands inside"):
        getattr(model, method)("the cat </s>")
    with pytest.raises(InputError, match="character 5 is half of a surrogate pair"):
        getattr(model, method)("the \ud800 cat")


def test_other_tokens() -> None:
    text = corpus_from_lines(["ab ba", "aab"], tokenizer="chars")
    model = train_ngram(text, 3)
    for line in ("ab  ba", "abz", "a\nb", ""):
        logp = model.score(corpus_from_lines([line], tokenizer="chars"))
        assert model.full_scores(line)["logp"].tolist() == logp.tolist()
        assert model.score_sentence(line) == pytest.approx(logp.sum(), rel=1e-12)


@pytest.mark.parametrize(("bos", "eos"), [(True, True), (True, False), (False, True), (False, False)])
def test_kenlm_says_the_same(model: BackoffModel, bos: bool, eos: bool, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    model.save(tmp_path / "model.arpa")
    config = kenlm.Config()
    config.show_progress = False
    twin = kenlm.Model(str(tmp_path / "model.arpa"), config)
    for line in [*LINES, "the zebra sat", "", "on the mat the", "früh übt  sich\t猫"]:
        log10p = twin.score(line, bos=bos, eos=eos)
        assert model.score_sentence(line, bos, eos) == pytest.approx(log10p * np.log(10), abs=1e-4)
        rows = list(twin.full_scores(line, bos=bos, eos=eos))
        scores = model.full_scores(line, bos, eos)
        assert scores["length"].tolist() == [length for _, length, _ in rows]
        assert scores["oov"].tolist() == [oov for _, _, oov in rows]
        np.testing.assert_allclose(scores["logp"], np.array([p for p, _, _ in rows]) * np.log(10), atol=1e-5)


@given(TEXTS, st.integers(1, 5), st.integers(0, 1000))
def test_distributions_equal_advance_and_do_not_depend_on_threads(
    sentences: list[list[str]], order: int, seed: int
) -> None:
    model = odd_model(sentences, order, seed)
    rng = np.random.default_rng(seed)
    state = model.start(9)
    for _ in range(3):
        found = model.distribution(state, 1)
        np.testing.assert_array_equal(model.distribution(state, 2), found)
        for word in range(len(model.vocab)):
            logp, _ = model.advance(state, np.full(9, word, np.int32))
            np.testing.assert_allclose(found[:, word], np.exp(logp), rtol=1e-12)
        _, state = model.advance(state, rng.integers(0, len(model.vocab), 9).astype(np.int32))


def test_corpora_that_are_mapped_are_scored(corpus: Corpus, tmp_path: Path) -> None:
    corpus.save(tmp_path / "text")
    model = train_ngram(corpus, 3)
    np.testing.assert_array_equal(model.score(Corpus.load(tmp_path / "text")), model.score(corpus))
