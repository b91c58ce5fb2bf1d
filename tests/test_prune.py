"""Pruning leaves out what the formula says, and what is left is a distribution."""

from __future__ import annotations

import gzip
import math
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from conformance import check_language_model
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_prune import NaiveModel
from test_counts import TEXTS

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, InputError, SettingError
from lmmix.lm import load
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.history import model_history, product_history, stationary_history
from lmmix.ngram.prune import prune_entropy
from lmmix.ngram.renormalise import normalised, renormalise
from lmmix.vocab import BOS, EOS, UNK

THRESHOLDS = st.sampled_from([1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
SEEDS = st.integers(0, 2**32 - 1)


def trained(sentences: list[list[str]], order: int) -> BackoffModel:
    return train_ngram(corpus_from_lines([" ".join(sentence) for sentence in sentences]), order, threads=1)


def spoiled(model: BackoffModel, seed: int) -> BackoffModel:
    """What other programs may hand over: suffixes missing, zeros, wrong sums, positive back-offs, no `<unk>`."""
    rng = np.random.default_rng(seed)
    keep = rng.random(model.tree.size) < 0.7
    for n in range(model.order, 2, -1):
        for node in range(*_range(model, n - 1)):
            keep[node] |= keep[model.tree.begin[node] : model.tree.begin[node + 1]].any()
    tree, nodes = model.tree.selected(keep)
    logp = model.logp[nodes] + rng.normal(0, rng.choice([0.0, 0.01, 1.0]), tree.size)
    logp[rng.random(tree.size) < 0.1] = -np.inf
    logp[1 + UNK] = rng.choice([-np.inf, logp[1 + UNK]])
    logp[1 + BOS], logp[1 + EOS] = -np.inf, -1.0
    logp = np.minimum(logp, 0.0)
    backoff = model.backoff[nodes[: int(tree.level[tree.order])]] + rng.normal(0, 1, int(tree.level[tree.order]))
    return BackoffModel(tree, logp, backoff, model.vocab, "spoiled")


def _range(model: BackoffModel, order: int) -> tuple[int, int]:
    return model.tree.nodes(order).start, model.tree.nodes(order).stop


def check_equal(model: BackoffModel, twin: NaiveModel) -> None:
    """The same n-grams with the same probabilities and back-offs."""
    found = NaiveModel(model)
    assert set(found.p) == set(twin.p)
    np.testing.assert_allclose([found.p[ngram] for ngram in twin.p], list(twin.p.values()), rtol=1e-9, atol=1e-13)
    # Back-offs are compared by the mass they give away: where that is rounding, they may be anything.
    contexts = [pair for n in range(1, model.order) for pair in twin.contexts(n).items()]
    left = np.array([max(twin.masses(ngrams)[1], 0.0) for _, ngrams in contexts])
    difference = np.array([found.bow[history] - twin.bow[history] for history, _ in contexts])
    np.testing.assert_allclose(difference * left, 0.0, rtol=0, atol=1e-12)


def check_sums(model: BackoffModel) -> None:
    contexts = np.arange(int(model.tree.level[model.order]), dtype=np.int32)
    np.testing.assert_allclose(model.distribution(contexts).sum(axis=1), 1.0, rtol=0, atol=1e-9)


class TestRenormalise:
    @given(TEXTS, st.integers(1, 4), SEEDS)
    def test_equals_naive_and_sums_to_one(self, sentences, order: int, seed: int) -> None:
        model = spoiled(trained(sentences, order), seed)
        twin = NaiveModel(model)
        twin.renormalise()
        normal = renormalise(model, 1)
        check_equal(normal, twin)
        check_sums(normal)

    @given(TEXTS, st.integers(1, 4))
    def test_changes_no_distribution_of_a_normalised_model(self, sentences, order: int) -> None:
        model = trained(sentences, order)
        normal = renormalise(model, 1)
        contexts = np.arange(int(model.tree.level[order]), dtype=np.int32)
        np.testing.assert_allclose(normal.distribution(contexts), model.distribution(contexts), rtol=0, atol=1e-12)

    def test_more_than_all_mass_is_scaled(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2)
        logp = model.logp.copy()
        children = slice(*model.tree.begin[[1 + BOS, 2 + BOS]])
        logp[children] = -0.1
        normal = renormalise(BackoffModel(model.tree, logp, model.backoff, model.vocab, "x"))
        assert np.exp(normal.logp[children]).sum() == pytest.approx(1.0)
        assert normal.backoff[1 + BOS] == -np.inf
        assert normal.signature == "x|renormalised"

    def test_a_model_without_any_mass_is_refused(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2)
        with pytest.raises(InputError, match="probability 0"):
            renormalise(BackoffModel(model.tree, model.logp - np.inf, model.backoff, model.vocab, "x"))


class TestAgainstNaive:
    @given(TEXTS, st.integers(2, 4), THRESHOLDS, st.booleans(), SEEDS)
    def test_product_history(self, sentences, order: int, threshold: float, spoil: bool, seed: int) -> None:
        model = trained(sentences, order)
        model = spoiled(model, seed) if spoil else model
        twin = NaiveModel(model)
        twin.renormalise()
        twin.prune(threshold, {history: twin.context_prob(history) for history in twin.bow})
        pruned = prune_entropy(model, threshold, history="product", threads=1)
        check_equal(pruned, twin)
        check_sums(pruned)

    @given(TEXTS, st.integers(2, 4), THRESHOLDS, st.integers(2, 4))
    def test_stationary_history_and_shortest_order(self, sentences, order: int, threshold, min_order: int) -> None:
        model = trained(sentences, order)
        twin = NaiveModel(model)
        weights = np.exp(stationary_history(*normalised(model, 1), threads=1))
        twin.prune(threshold, dict(zip(twin.ngrams, weights.tolist())), min_order)
        check_equal(prune_entropy(model, threshold, min_order=min_order, threads=1), twin)

    @given(TEXTS, st.integers(2, 4), st.integers(1, 4), THRESHOLDS)
    def test_history_model(self, sentences, order: int, other_order: int, threshold: float) -> None:
        model, other = trained(sentences, order), trained([sentence[::-1] for sentence in sentences], other_order)
        twin, other_twin = NaiveModel(model), NaiveModel(other)
        weights = {h: other_twin.context_prob(h) for h in twin.bow}
        found = model_history(model, other)
        assert np.exp(found[1:]) == pytest.approx([weights[h] for h in twin.ngrams[1 : len(found)]], rel=1e-9)
        twin.prune(threshold, weights)
        check_equal(prune_entropy(model, threshold, history=other, threads=1), twin)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [1e-8, 1e-7, 1e-6])
def test_penn_treebank_equals_naive(shared_data: Path, threshold: float) -> None:
    with gzip.open(shared_data / "ptb" / "train.txt.gz", "rt") as lines:
        model = train_ngram(corpus_from_lines(list(islice(lines, 10_000))), 3)
    twin = NaiveModel(model)
    twin.prune(threshold, {history: twin.context_prob(history) for history in twin.bow})
    check_equal(prune_entropy(model, threshold, history="product", threads=1), twin)


class TestStationaryHistory:
    @settings(max_examples=30)
    @given(TEXTS, st.integers(2, 4), st.booleans(), SEEDS)
    def test_is_the_stationary_distribution(self, sentences, order: int, spoil: bool, seed: int) -> None:
        model = trained(sentences, order)
        model, lower = normalised(spoiled(model, seed) if spoil else model, 1)
        expected = NaiveModel(model).stationary()
        found = np.exp(stationary_history(model, lower, 1, tolerance=0, passes=1000))
        for ngram, visits in zip(NaiveModel(model).ngrams, found):
            if ngram in expected:
                assert visits == pytest.approx(expected[ngram], rel=1e-4, abs=1e-6), ngram

    def test_settles_on_a_text_that_repeats_itself(self) -> None:
        model, lower = normalised(trained([["a", "b", "c"]] * 50, 3), 1)
        found = np.exp(stationary_history(model, lower))
        assert found[1 : 1 + len(model.vocab)].sum() == pytest.approx(1.0)

    def test_of_a_kneser_ney_model_is_near_the_text_where_the_product_is_not(self, corpus: Corpus) -> None:
        text = corpus_from_lines(["san francisco is far"] * 30 + ["the cat is here", "a dog is there"])
        model = train_ngram(text, 3)
        francisco = 1 + text.vocab.id("francisco")
        share = (text.ids == francisco - 1).mean()
        assert math.exp(stationary_history(*normalised(model, 1))[francisco]) == pytest.approx(share, rel=0.2)
        assert math.exp(product_history(model)[francisco]) < share / 2


class TestPruning:
    @given(TEXTS, st.integers(1, 4), SEEDS)
    def test_threshold_zero_only_renormalises(self, sentences, order: int, seed: int) -> None:
        model = spoiled(trained(sentences, order), seed)
        pruned, normal = prune_entropy(model, 0.0, threads=1), renormalise(model, 1)
        assert pruned.tree.counts() == model.tree.counts()
        np.testing.assert_allclose(np.exp(pruned.logp), np.exp(normal.logp), rtol=0, atol=1e-12)

    @given(TEXTS, st.integers(2, 4), THRESHOLDS)
    def test_conforms(self, sentences, order: int, threshold: float) -> None:
        corpus = corpus_from_lines([" ".join(sentence) for sentence in sentences])
        check_language_model(prune_entropy(train_ngram(corpus, order, threads=1), threshold, threads=1), corpus)

    def test_larger_thresholds_keep_subsets(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 4)
        kept = [set(NaiveModel(prune_entropy(model, x)).p) for x in (0.0, 1e-5, 1e-4, 1e-3, 1e-2, math.inf)]
        assert all(smaller <= larger for larger, smaller in pairwise(kept))
        assert len(kept[0]) > len(kept[2]) > len(kept[4]) > len(kept[5]) == len(model.vocab)

    @given(TEXTS, st.integers(2, 4), st.integers(0, 60))
    def test_target_is_reached_and_not_undercut(self, sentences, order: int, more: int) -> None:
        model = trained(sentences, order)
        target = len(model.vocab) + more
        pruned = prune_entropy(model, target=target, threads=1)
        size = sum(pruned.tree.counts())
        assert size <= target
        threshold = float(pruned.signature.rpartition(":")[2])
        assert prune_entropy(model, threshold, threads=1).tree.counts() == pruned.tree.counts()
        if threshold > 0:
            larger = prune_entropy(model, np.nextafter(threshold, 0), threads=1)
            assert sum(larger.tree.counts()) > target

    def test_ngrams_without_which_a_word_could_not_be_said_stay(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 2)
        logp, cat = model.logp.copy(), 1 + corpus.vocab.id("cat")
        logp[cat] = -np.inf
        model = BackoffModel(model.tree, logp, model.backoff, model.vocab, "x")
        kept = NaiveModel(prune_entropy(model, math.inf)).p
        assert {ngram[-1] for ngram in kept if len(ngram) == 2} == {"cat"}
        with pytest.raises(SettingError, match=f"but {len(kept)} cannot be pruned"):
            prune_entropy(model, target=len(kept) - 1)

    def test_result_does_not_depend_on_threads(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 4)
        one, four = prune_entropy(model, 1e-4, threads=1), prune_entropy(model, 1e-4, threads=4)
        np.testing.assert_array_equal(one.logp, four.logp)
        np.testing.assert_array_equal(one.backoff, four.backoff)

    def test_signature_names_the_choices(self, corpus: Corpus) -> None:
        model = train_ngram(corpus, 3)
        end = lambda **choices: prune_entropy(model, 1e-8, **choices).signature.removeprefix(model.signature)  # noqa: E731
        assert end() == "|pruned:entropy:1e-08"
        assert end(history="product", min_order=3) == "|pruned:entropy:1e-08,history:product,min-order:3"
        assert end(history=train_ngram(corpus, 2)).startswith("|pruned:entropy:1e-08,history:(order:2|")

    @pytest.mark.parametrize("suffix", [".arpa", ".lmx"])
    def test_files_hold_pruned_models(self, corpus: Corpus, tmp_path: Path, suffix: str) -> None:
        pruned = prune_entropy(train_ngram(corpus, 4), 2e-3)
        pruned.save(tmp_path / f"model{suffix}")
        read = load(tmp_path / f"model{suffix}")
        np.testing.assert_allclose(read.score(corpus), pruned.score(corpus), rtol=0, atol=1e-5)

    @pytest.mark.parametrize(
        ("choices", "message"),
        [
            ({}, "either a threshold or a target"),
            ({"threshold": 1e-8, "target": 9}, "either a threshold or a target"),
            ({"threshold": -1.0}, "threshold is -1.0"),
            ({"threshold": math.nan}, "threshold is nan"),
            ({"target": 3}, "the target is 3 n-grams, but 11 cannot be pruned"),
            ({"threshold": 1e-8, "min_order": 1}, "order 1"),
            ({"threshold": 1e-8, "history": "magic"}, "'magic'"),
        ],
    )
    def test_bad_settings_are_refused(self, corpus: Corpus, choices: dict, message: str) -> None:
        with pytest.raises(SettingError, match=message):
            prune_entropy(train_ngram(corpus, 3), **choices)

    def test_history_model_with_other_words_is_refused(self, corpus: Corpus) -> None:
        with pytest.raises(EventSpaceError, match="history model"):
            prune_entropy(train_ngram(corpus, 3), 1e-8, history=train_ngram(corpus_from_lines(["x y"]), 2))
