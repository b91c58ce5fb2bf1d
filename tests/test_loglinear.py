"""Log-linear mixtures: normalisers and moments by brute force, Newton's method, the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from unittest import mock

import naive_loglinear as naive
import numpy as np
import pytest
from conformance import check_language_model
from conftest import LINES
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_models import odd_model
from test_counts import TEXTS

from lmmix.adaptive.cache import CacheModel
from lmmix.adaptive.infinigram import train_infinigram
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, InputError, SettingError
from lmmix.lm import LanguageModel, load
from lmmix.mix import normalise
from lmmix.mix.held_out import score_held_out
from lmmix.mix.loglinear import LogLinearFit, LogLinearMixture, fit_loglinear_mixture
from lmmix.mix.loglinear_fit import fit_loglinear
from lmmix.mix.normalise import DenseNormaliser, Normaliser, joint_models, normaliser_of
from lmmix.mix.union import one_event_space
from lmmix.ngram import joint
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.estimate import train_ngram
from lmmix.ngram.packing import pack
from lmmix.vocab import Vocab

DEV = ["the dog sat on the mat", "a cat and a dog sat", "the cat", "zebra on the mat", "the cat sat on a dog"]

WEIGHTS = st.lists(st.floats(-2, 2), min_size=3, max_size=3)


def models(corpus: Corpus) -> list[BackoffModel]:
    """Three models over the words of `corpus`, trained on different parts of its sentences."""
    parts = [corpus_from_lines(LINES[:4], corpus.vocab), corpus_from_lines(LINES[4:], corpus.vocab), corpus]
    return [train_ngram(part, order) for part, order in zip(parts, (3, 2, 1))]


def fitted(members: Sequence[LanguageModel], text: Corpus, **settings: float) -> LogLinearFit:
    return fit_loglinear_mixture(score_held_out(members, text), **settings)


def joined(members: Sequence[LanguageModel], text: Corpus, events: np.ndarray) -> Normaliser:
    ids = [None] * len(members)
    return normaliser_of(members, ids, text, events, joint_models(members, ids))


def everywhere(corpus: Corpus) -> np.ndarray:
    return np.arange(len(corpus.ids))


def odd_members(sentences: list[list[str]], orders: list[int], seed: int, zeros: bool) -> list[BackoffModel]:
    """Models with n-grams, suffixes and words missing or in another order; their numbers may be anything."""
    random = Random(seed)
    members = [odd_model(sentences, order, random) for order in orders]
    for member in members:
        if not zeros:
            member.logp[member.logp == -np.inf] = -3.0
            member.backoff[member.backoff == -np.inf] = -2.0
    return members


@settings(max_examples=60)
@given(TEXTS, st.lists(st.integers(1, 5), min_size=3, max_size=3), st.integers(0, 1000), WEIGHTS, st.booleans())
def test_sums_equal_brute_force(
    sentences: list[list[str]], orders: list[int], seed: int, weights: list[float], zeros: bool
) -> None:
    """Both ways of computing them, with weights of both signs and however the tree of histories is cut."""
    members = odd_members(sentences, orders, seed, zeros)
    text = corpus_from_lines([" ".join(words) for words in sentences] + ["a", "b b z"]).recode(members[0].vocab)
    rows = naive.histories(members, text)
    expected = np.array([naive.log_z(row, weights) for row in rows])
    possible = [row for row, z in zip(rows, expected) if z > -np.inf]
    mean = sum((naive.mean(row, weights) for row in possible), np.zeros(3))
    covariance = sum((naive.covariance(row, weights) for row in possible), np.zeros((3, 3)))
    chosen = np.flatnonzero(expected > -np.inf)
    with mock.patch.multiple(joint, PIECE_WORDS=5, ONE_THREAD=0), mock.patch.multiple(normalise, BATCH_CELLS=30):
        fast = joined(members, text, chosen)
        for histories in (fast, DenseNormaliser(members, [None] * 3, text, chosen)):
            log_z, totals, _ = histories.sums(np.array(weights))
            np.testing.assert_allclose(log_z, expected[chosen], rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(totals[1:, 0], mean, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(totals[1:, 1:], np.tril(covariance), rtol=1e-8, atol=1e-8)
        log_z, _, zero = fast.sums(np.array(weights), False, 1)
        np.testing.assert_array_equal(log_z, fast.sums(np.array(weights), False, 2)[0])
        assert zeros or (zero == -1).all()
    assert isinstance(fast, joint.JointHistories)


@pytest.fixture
def exact(corpus: Corpus) -> tuple[list[BackoffModel], Corpus]:
    """Models and a text in their ids."""
    return models(corpus), corpus_from_lines(DEV).recode(corpus.vocab)


def test_gradient_and_hessian_are_finite_differences(exact: tuple[list[BackoffModel], Corpus]) -> None:
    members, text = exact
    histories = joined(members, text, everywhere(text))
    weights, step = np.array([0.8, -0.4, 0.5]), 1e-5
    totals = histories.sums(weights)[1]
    for k in range(3):
        moved = np.zeros(3)
        moved[k] = step
        up, down = histories.sums(weights + moved), histories.sums(weights - moved)
        assert (up[0].sum() - down[0].sum()) / (2 * step) == pytest.approx(totals[1 + k, 0], rel=1e-8)
        slope = (up[1][1:, 0] - down[1][1:, 0]) / (2 * step)
        np.testing.assert_allclose(slope[: k + 1], totals[1 + k, 1 : 2 + k], rtol=1e-7)


def test_threads_do_not_matter(exact: tuple[list[BackoffModel], Corpus]) -> None:
    members, text = exact
    weights = np.array([0.4, -0.2, 0.7])
    with mock.patch.multiple(joint, PIECE_WORDS=5, ONE_THREAD=0):
        one, two = (joined(members, text, everywhere(text)).sums(weights, True, threads) for threads in (1, 2))
    for alone, together in zip(one, two):
        np.testing.assert_array_equal(alone, together)


def test_words_may_be_numbered_differently(corpus: Corpus) -> None:
    other = Vocab.from_words(reversed(corpus.vocab.words))
    members = [models(corpus)[0], train_ngram(corpus_from_lines(LINES, other), 2)]
    mixture = LogLinearMixture(members, [0.7, -0.2])
    check_language_model(mixture, corpus)
    rows = naive.histories(members, corpus)
    words = [corpus.vocab.words[i] for i in corpus.ids]
    expected = [naive.log_likelihood([row], [word], [0.7, -0.2]) for row, word in zip(rows, words)]
    np.testing.assert_allclose(mixture.score(corpus), expected, rtol=1e-10)


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], [1.5, -0.75, 0.0], [-1.0, -0.5, 0.25], [5.0, 4.0, -3.0]])
def test_mixture_conforms(corpus: Corpus, weights: list[float]) -> None:
    check_language_model(LogLinearMixture(models(corpus), weights), corpus)


def test_mixture_with_members_of_other_kinds_conforms(corpus: Corpus) -> None:
    a, b, c = models(corpus)
    check_language_model(LogLinearMixture([a, LogLinearMixture([b, c], [0.5, 0.8])], [0.9, 0.4]), corpus)
    packed = LogLinearMixture([pack(a), b, pack(c)], [0.5, 0.3, 0.2])
    assert packed._joint is not None
    check_language_model(packed, corpus)


def test_one_model_of_weight_one_is_that_model(corpus: Corpus) -> None:
    members = models(corpus)
    for k, member in enumerate(members):
        mixture = LogLinearMixture(members, np.eye(3)[k])
        np.testing.assert_allclose(mixture.score(corpus), member.score(corpus), rtol=1e-12, atol=1e-13)


def test_a_word_that_one_model_excludes_is_excluded(corpus: Corpus) -> None:
    a, b, _ = models(corpus)
    b.logp[b.tree.word == corpus.vocab.id("mat")] = -np.inf
    mixture = LogLinearMixture([a, b], [0.5, 0.5])
    logp = mixture.score(corpus)
    assert ((logp == -np.inf) == (corpus.ids == corpus.vocab.id("mat"))).all()
    check_language_model(LogLinearMixture([a, b], [0.5, 0.0]), corpus)
    for refused in (
        LogLinearMixture([a, b], [0.5, -0.5]),
        LogLinearMixture([a, LogLinearMixture([b], [1.0])], [1.0, -1.0]),
    ):
        with pytest.raises(InputError, match="model 2 has the weight -.* gives the word 'mat' probability 0"):
            refused.score(corpus)
        with pytest.raises(InputError, match="'mat'"):
            refused.distribution(refused.start(1))


def test_a_history_behind_which_no_word_is_possible(corpus: Corpus) -> None:
    """Relative frequencies of two texts: behind "the" no word is in both. With and without exact sums."""
    text = corpus_from_lines(["the cat", "the dog"])
    members: list[LanguageModel] = [
        train_infinigram(corpus_from_lines([line], text.vocab)) for line in ("the cat", "the dog")
    ]
    closed = [train_ngram(text, 2), train_ngram(text, 2)]
    for model, word in zip(closed, ("cat", "dog")):
        model.logp[1:] = np.where(model.tree.word[1:] == text.vocab.id(word), 0.0, -np.inf)
        model.backoff[:] = 0.0
    for mixture in (LogLinearMixture(members, [0.5, 0.5]), LogLinearMixture(closed, [0.5, 0.5])):
        with pytest.raises(
            InputError, match="before the word '.*' in line 1, no word has a probability in every model"
        ):
            mixture.score(text)
        state = mixture.start(1)
        with pytest.raises(InputError, match="behind one of the histories, no word has"):
            for word in text.ids[:2]:
                mixture.distribution(state)
                state = mixture.advance(state, np.array([word], np.int32))[1]
        with pytest.raises(InputError, match="behind one of the histories, no word has"):
            state = mixture.start(1)
            for word in text.ids[:2]:
                state = mixture.advance(state, np.array([word], np.int32))[1]


def test_a_word_that_all_models_exclude_is_no_error(corpus: Corpus) -> None:
    members = [train_ngram(corpus, 2), train_ngram(corpus, 3)]
    for member in members:
        member.logp[1] = -np.inf
    mixture = LogLinearMixture(members, [1.5, -0.5])
    assert np.isfinite(mixture.score(corpus)).all()
    assert mixture.distribution(mixture.start(1))[0, 0] == 0
    fit = fitted(members, corpus_from_lines(["the zebra sat"]))
    assert fit.events.tolist() == [0, 2, 3] and fit.result.events == 3


def test_fit_is_at_least_as_good_as_members_and_uniform_weights(exact: tuple[list[BackoffModel], Corpus]) -> None:
    members, text = exact
    fit = fitted(members, text)
    assert fit.result.converged and fit.result.gap <= 1e-7
    assert fit.result.ppl <= min(score_held_out(members, text).member_ppl()) + 1e-9
    uniform = LogLinearMixture(members, np.full(3, 1 / 3)).score(text)
    assert fit.result.logp >= uniform.sum()
    assert fit.mixture.score(text).sum() == pytest.approx(fit.result.logp, rel=1e-12)
    assert [logp for logp, _ in fit.result.curve] == sorted(logp for logp, _ in fit.result.curve)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 1.0, 5.0, np.inf]))
def test_fit_equals_scipy(seed: int, prior: float) -> None:
    from scipy.optimize import minimize

    sentences = [list("abcab"), list("bca"), list("aacb"), list("dab")]
    members = odd_members(sentences, [3, 2, 3], seed, False)
    text = corpus_from_lines(["a b c a", "b a d", "c c b a b", "d d a"], members[0].vocab)
    rows = naive.histories(members, text)
    events = [text.vocab.words[i] for i in text.ids]

    def cost(weights: np.ndarray) -> float:
        return -naive.log_likelihood(rows, events, weights) + 0.5 / prior**2 * float(((weights - 1 / 3) ** 2).sum())

    fit = fitted(members, text, prior=prior)
    best = minimize(cost, np.full(3, 1 / 3), method="BFGS")
    assert cost(fit.mixture.weights) <= best.fun + 1e-5


def test_nearly_identical_members_keep_finite_weights(exact: tuple[list[BackoffModel], Corpus]) -> None:
    """Newton's method without safeguards leaves all bounds here: the Hessian is singular but for rounding."""
    members, text = exact
    for noise in (0.0, 1e-12, 1e-9, 1e-6, 1e-3):
        rng = np.random.default_rng(1)
        a = members[0]
        twins = [BackoffModel(a.tree, a.logp + noise * rng.normal(size=a.tree.size), a.backoff, a.vocab, "twin")
                 for _ in range(4)]  # fmt: skip
        fit = fitted(twins, text)
        assert np.isfinite(fit.mixture.weights).all() and np.isfinite(fit.result.logp)
        assert fit.result.logp >= a.score(text).sum() - 1e-2
        assert np.abs(fit.mixture.weights).max() < 1e5
    alone = fitted([members[0]], text)
    same = fitted([members[0]] * 4, text)
    np.testing.assert_allclose(same.mixture.weights, np.full(4, alone.mixture.weights[0] / 4), rtol=1e-3)


def test_start_far_away_is_climbed_out_of(exact: tuple[list[BackoffModel], Corpus]) -> None:
    members, text = exact
    logp = np.stack([member.score(text) for member in members], axis=1)
    histories = joined(members, text, everywhere(text))
    best = fit_loglinear(logp, histories)
    for start in ([300.0, -200.0, 5.0], [-1e4, 1e4, -1e4]):
        again = fit_loglinear(logp, histories, start=start)
        assert again.converged
        np.testing.assert_allclose(again.weights, best.weights, atol=1e-2)


def test_prior_holds_weights_near_equal_ones(exact: tuple[list[BackoffModel], Corpus]) -> None:
    members, text = exact
    strong = fitted(members, text, prior=1e-5)
    np.testing.assert_allclose(strong.mixture.weights, 1 / 3, atol=1e-6)


def test_model_that_excludes_words_and_would_be_negative_is_left_out(corpus: Corpus) -> None:
    good = train_ngram(corpus, 3)
    bad = train_ngram(corpus, 1)
    bad.logp[1] = -np.inf
    fit = fitted([good, bad], corpus)
    assert fit.dropped == [1] and fit.mixture.weights[1] == 0
    fit.mixture.score(corpus)


def test_word_without_probability_is_named(corpus: Corpus) -> None:
    a, b, _ = models(corpus)
    b.logp[b.tree.word == corpus.vocab.id("mat")] = -np.inf
    with pytest.raises(InputError, match="'mat' in line 2 of the held-out text .* in model 2"):
        fitted([a, b], corpus_from_lines(["the cat", "the mat"]))


def test_unsuitable_settings_are_refused(exact: tuple[list[BackoffModel], Corpus]) -> None:
    members, text = exact
    for weights in ([0.5], [0.0, 0.0, 0.0], [np.nan, 1.0, 1.0], [np.inf, 1.0, 1.0], [1e308, 1.0, 1.0]):
        with pytest.raises(SettingError, match="finite numbers, none beyond .* not all 0"):
            LogLinearMixture(members, weights)
    with pytest.raises(SettingError, match="at least one model"):
        LogLinearMixture([], [])
    with pytest.raises(EventSpaceError):
        LogLinearMixture([members[0], train_ngram(corpus_from_lines(["chair"]), 2)], [1, 1])
    for name, value in (("tolerance", 0.0), ("prior", -1.0), ("prior", 1e-200)):
        with pytest.raises(SettingError, match=name):
            fitted(members, text, **{name: value})
    histories = joined(members, text, everywhere(text))
    with pytest.raises(InputError, match="event 1 has log-probability -inf in model 2"):
        fit_loglinear(np.array([[-1.0, -1.0, -1.0], [-1.0, -np.inf, -1.0]]), histories)


def test_file_round_trip(corpus: Corpus, tmp_path: Path) -> None:
    paths = [tmp_path / "a.arpa", tmp_path / "b.lmx", tmp_path / "c.arpa.gz"]
    for model, path in zip(models(corpus), paths):
        model.save(path)
    mixture = LogLinearMixture([load(path) for path in paths], [0.9, -0.25, 0.0], paths)
    mixture.save(tmp_path / "mix.json")
    again = load(tmp_path / "mix.json")
    assert again.signature == mixture.signature
    assert again.signature.startswith("mixture:loglinear|weights:0.900000,-0.250000,0.000000|members:[")
    np.testing.assert_array_equal(again.score(corpus), mixture.score(corpus))


def test_models_that_remember_are_read_in_one_go(corpus: Corpus) -> None:
    mixture = LogLinearMixture([models(corpus)[0], CacheModel(corpus.vocab)], [0.8, 0.3])
    check_language_model(mixture, corpus)


def test_a_long_dense_way_names_the_models_in_the_way(
    corpus: Corpus, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = models(corpus)
    wide = one_event_space([members[0], train_ngram(corpus_from_lines(["a zebra"]), 2)], "uniform")
    text = corpus_from_lines(DEV)
    cells = 2 * len(text.ids) * len(wide[0].vocab)
    monkeypatch.setattr(normalise, "MANY_CELLS", cells)
    caplog.clear()
    with caplog.at_level("WARNING", "lmmix"):
        LogLinearMixture(wide, [0.5, 0.5]).score(text)
        assert not caplog.records
        monkeypatch.setattr(normalise, "MANY_CELLS", cells - 1)
        LogLinearMixture(wide, [0.5, 0.5]).score(text)
        LogLinearMixture(members[:2], [0.5, 0.5]).score(text)
    (record,) = caplog.records
    assert "but there is widened:uniform;" in record.getMessage()
