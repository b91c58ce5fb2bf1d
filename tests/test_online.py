"""Weights that follow the text."""

from __future__ import annotations

from pathlib import Path

import naive_context
import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES
from hypothesis import given
from hypothesis import strategies as st

from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import SettingError
from lmmix.lm import load, remembers
from lmmix.mix.em import fit_em
from lmmix.mix.online import RULES, OnlineMixture, fit_online, regret
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram


@pytest.fixture(scope="module")
def models(corpus: Corpus) -> list[BackoffModel]:
    return [train_ngram(corpus_from_lines(LINES[:4], corpus.vocab), 2), train_ngram(corpus, 1, "wb")]


def matrix(seed: int, events: int = 40, members: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(-4, 2, (events, members))


@pytest.mark.parametrize("rule", RULES)
def test_conforms(models: list[BackoffModel], corpus: Corpus, rule: str) -> None:
    mixture = OnlineMixture(models, [0.3, 0.7], 0.8, 0.05, rule)
    assert remembers(mixture)
    check_language_model(mixture, corpus)


@pytest.mark.parametrize("rule", RULES)
@given(st.integers(0, 10**6), st.floats(0, 2), st.floats(0, 1))
def test_equals_naive(
    models: list[BackoffModel], corpus: Corpus, rule: str, seed: int, rate: float, share: float
) -> None:
    logp = matrix(seed, members=2)
    mixture = OnlineMixture(models, [0.25, 0.75], rate, share, rule)
    naive = naive_context.online(np.exp(logp), np.array([0.25, 0.75]), rate, share, rule)
    np.testing.assert_allclose(mixture.combine(corpus, logp), np.log(naive), rtol=1e-7)


@pytest.mark.parametrize("rule", RULES)
@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.01, 0.3, 1.0])] * 2), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 0.25, 1.0]),
)  # fmt: skip
def test_zero_probabilities_and_weights_equal_naive(
    models: list[BackoffModel],
    corpus: Corpus,
    rule: str,
    p: list[tuple[float, ...]],
    rate: float,
    share: float,
    first: float,
) -> None:
    start = np.array([first, 1 - first])
    with np.errstate(divide="ignore"):
        found = OnlineMixture(models, start, rate, share, rule).combine(corpus, np.log(np.array(p)))
        expected = np.log(naive_context.online(np.array(p), start, rate, share, rule))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 10**6))
def test_bayesian_mixture_loses_at_most_ln_k_to_the_best_member(
    models: list[BackoffModel], corpus: Corpus, seed: int
) -> None:
    logp = matrix(seed, members=2)
    found = OnlineMixture(models, [0.5, 0.5], 1.0, 0.0).combine(corpus, logp).sum()
    assert found >= logp.sum(axis=0).max() - np.log(2) - 1e-9


def test_very_small_and_zero_probabilities(models: list[BackoffModel], corpus: Corpus) -> None:
    logp = np.array([[-2000.0, -2001.0], [-np.inf, -3.0], [-np.inf, -np.inf], [-1.0, -1.0]])
    for rule in RULES:
        found = OnlineMixture(models, [0.5, 0.5], 1.0, 0.1, rule).combine(corpus, logp)
        assert np.isfinite(found[[0, 1, 3]]).all() and found[2] == -np.inf


def test_following_pays_where_the_text_changes(models: list[BackoffModel], corpus: Corpus) -> None:
    good, bad = np.log(0.5), np.log(0.01)
    logp = np.where(np.arange(400)[:, None] // 200 == [0, 1], good, bad)
    mixture = fit_online(models, corpus, logp, fit_em(logp).weights)
    assert regret(mixture, corpus, logp).per_event < -0.5


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.7]))
def test_fitted_is_at_least_as_good_as_fixed_weights(
    models: list[BackoffModel], corpus: Corpus, seed: int, zeros: float
) -> None:
    logp = matrix(seed, members=2)
    rows = np.arange(len(logp))
    without = np.random.default_rng(seed).uniform(size=len(logp)) < zeros
    logp[rows[without], rows[without] % 2] = -np.inf
    em = fit_em(logp, tolerance=1e-9)
    mixture = fit_online(models, corpus, logp, em.weights)
    assert mixture.combine(corpus, logp).sum() >= em.logp - 1e-6
    assert regret(mixture, corpus, logp).per_event <= 1e-6


def test_file_round_trip(models: list[BackoffModel], corpus: Corpus, tmp_path: Path) -> None:
    paths = [tmp_path / "a.lmx", tmp_path / "b.lmx"]
    for model, path in zip(models, paths):
        model.save(path)
    mixture = OnlineMixture([load(path) for path in paths], [0.3, 0.7], 0.5, 0.1, "eg", paths)
    mixture.save(tmp_path / "mix.json")
    again = load(tmp_path / "mix.json")
    np.testing.assert_array_equal(again.score(corpus), mixture.score(corpus))
    assert again.signature == mixture.signature and "memory:document" in again.signature


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((-1.0, 0.1), "rate is -1"), ((np.nan, 0.1), "rate is nan"), ((1.0, 1.5), "share is 1.5"),
     ((1.0, 0.1, "no"), "rule is 'no'")],
)  # fmt: skip
def test_bad_settings(models: list[BackoffModel], arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        OnlineMixture(models, [0.5, 0.5], *arguments)  # type: ignore[arg-type]
