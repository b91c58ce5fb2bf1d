"""Mixtures near a target model, and linear regression: equal to slow twins that look at every history."""

from __future__ import annotations

import naive_mix
import numpy as np
import pytest
from conftest import LINES

from lmmix import stretches
from lmmix.adaptive.cache import CacheModel
from lmmix.corpus import Corpus, corpus_from_lines
from lmmix.errors import EventSpaceError, InputError, SettingError
from lmmix.lm import LanguageModel
from lmmix.mix import target as target_module
from lmmix.mix.expectations import Expectations
from lmmix.mix.least_squares import fit_least_squares
from lmmix.mix.linear import LinearMixture
from lmmix.mix.target import TargetEvents, fit_to_target
from lmmix.ngram.estimate import train_ngram
from lmmix.vocab import Vocab

DEV = ["the dog sat on the mat", "a cat and a dog sat", "the cat", "zebra on the mat", "mat", "a mat sat on the dog"]


@pytest.fixture(scope="module")
def small(corpus: Corpus) -> list[LanguageModel]:
    """Models of the words of `corpus`; one of them numbers them differently."""
    other = Vocab.from_words(reversed(corpus.vocab.words))
    first = train_ngram(corpus_from_lines(LINES[:4], corpus.vocab), 2)
    return [first, train_ngram(corpus_from_lines(LINES[4:], other), 2), train_ngram(corpus, 1)]


@pytest.fixture(scope="module")
def big(corpus: Corpus) -> LanguageModel:
    return train_ngram(corpus, 3)


def distributions(models: list[LanguageModel], corpus: Corpus) -> np.ndarray:
    """(T, models, V) in the ids of the first model, one history at a time over the whole text."""
    vocab = models[0].vocab
    columns = []
    for model in models:
        ids = vocab.translation(model.vocab)
        state, rows = model.start(1), []
        for word in corpus.recode(vocab).ids:
            rows.append(model.distribution(state)[0, ids])
            _, state = model.advance(state, ids[[word]])
        columns.append(rows)
    return np.array(columns).transpose(1, 0, 2)


@pytest.fixture(params=["kept", "read in each pass", "one stream"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways to come by distributions."""
    if request.param == "read in each pass":
        monkeypatch.setattr(target_module, "KEEP_NUMBERS", 0)
    elif request.param == "one stream":
        monkeypatch.setattr(stretches, "BLOCK_NUMBERS", 1)


def naive_target(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, models), (rows,): events and how often they occur, the last model being the target."""
    rows = p.transpose(0, 2, 1).reshape(-1, p.shape[1])
    rows = rows[rows[:, -1] > 0]
    return rows[:, :-1], rows[:, -1]


@pytest.mark.usefixtures("reading")
def test_weights_have_the_least_divergence(small: list[LanguageModel], big: LanguageModel) -> None:
    dev = corpus_from_lines(DEV)
    found = fit_to_target(small, dev, big, tolerance=1e-9)
    p = distributions([*small, big], dev)
    rows, counts = naive_target(p)
    best = naive_mix.best_weights(rows, counts)
    np.testing.assert_allclose(found.fit.weights, best, atol=1e-4)
    mixed = np.einsum("k,tkv->tv", found.fit.weights, p[:, :-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = np.nansum(p[:, -1] * np.log(p[:, -1] / mixed)) / len(p)
        entropy = -np.nansum(p[:, -1] * np.log(p[:, -1])) / len(p)
    assert found.divergence == pytest.approx(divergence, rel=1e-9) and found.entropy == pytest.approx(entropy, rel=1e-9)
    assert found.fit.events == len(p) and found.fit.converged


@pytest.mark.usefixtures("reading")
def test_a_target_among_the_models_is_found(small: list[LanguageModel]) -> None:
    found = fit_to_target(small, corpus_from_lines(DEV), small[1], tolerance=1e-9)
    assert found.fit.weights[1] == pytest.approx(1, abs=1e-3) and 0 <= found.divergence < 1e-5
    squares = fit_least_squares(small, corpus_from_lines(DEV), small[1])
    np.testing.assert_allclose(squares.weights, [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(squares.coefficients, [0, 1, 0], atol=1e-6)
    assert abs(squares.loss) < 1e-12


@pytest.mark.usefixtures("reading")
def test_a_mixture_as_target_gives_its_weights(small: list[LanguageModel]) -> None:
    mixture = LinearMixture(small, [0.5, 0.3, 0.2])
    found = fit_to_target(small, corpus_from_lines(DEV), mixture, tolerance=1e-10)
    np.testing.assert_allclose(found.fit.weights, mixture.weights, atol=1e-3)
    squares = fit_least_squares(small, corpus_from_lines(DEV), mixture)
    np.testing.assert_allclose(squares.weights, mixture.weights, atol=1e-6)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("with_target", [False, True])
def test_linear_regression_equals_naive(small: list[LanguageModel], big: LanguageModel, with_target: bool) -> None:
    dev = corpus_from_lines(DEV)
    found = fit_least_squares(small, dev, big if with_target else None)
    p = distributions([*small, big], dev)
    y = p[:, -1] if with_target else np.eye(p.shape[2])[dev.recode(small[0].vocab).ids]
    design = p[:, :-1].transpose(0, 2, 1).reshape(-1, len(small))

    def loss(w: np.ndarray) -> float:
        return float(((design @ w - y.ravel()) ** 2).sum() / len(p))

    assert found.loss == pytest.approx(loss(found.weights), rel=1e-9) and found.histories == len(p)
    plain = np.linalg.lstsq(design, y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(found.coefficients, plain, atol=1e-6)
    assert loss(found.coefficients) <= found.loss + 1e-12 and abs(found.gap) < 1e-10
    rng = np.random.default_rng(0)
    assert all(found.loss <= loss(w) + 1e-12 for w in rng.dirichlet(np.ones(len(small)), 200))


def test_models_that_remember_see_all_that_came_before(small: list[LanguageModel], big: LanguageModel) -> None:
    dev = corpus_from_lines(DEV)
    models = [*small, CacheModel(small[0].vocab)]
    found = fit_to_target(models, dev, big, tolerance=1e-9)
    rows, counts = naive_target(distributions([*models, big], dev))
    assert found.fit.logp == pytest.approx(float((counts * np.log(rows @ found.fit.weights)).sum()), rel=1e-9)
    assert found.fit.logp >= (counts * np.log(rows @ naive_mix.best_weights(rows, counts))).sum() - 1e-6


def test_a_sample_of_histories(small: list[LanguageModel], big: LanguageModel) -> None:
    dev = corpus_from_lines(DEV * 20)
    whole = fit_to_target(small, dev, big)
    once, again = (fit_to_target(small, dev, big, histories=200, seed=3) for _ in range(2))
    np.testing.assert_array_equal(once.fit.weights, again.fit.weights)
    assert 200 <= once.fit.events < 264 < whole.fit.events == len(dev.ids)
    assert once.fit.weights.tolist() != fit_to_target(small, dev, big, histories=200, seed=4).fit.weights.tolist()
    one = fit_to_target(small, dev, big, histories=1)
    assert one.fit.converged and one.fit.events <= 64
    assert fit_to_target(small, dev, big, histories=10**6).fit.events == len(dev.ids)


def test_every_history_is_looked_at_once(small: list[LanguageModel]) -> None:
    dev = corpus_from_lines(DEV * 30)
    read = Expectations(small, dev)
    blocks = list(read.blocks())
    places = np.concatenate([block.places for block in blocks])
    assert len(read._stretches) > 10 and sorted(places) == list(range(len(dev.ids)))
    words = np.concatenate([block.words for block in blocks])
    np.testing.assert_array_equal(words, dev.recode(small[0].vocab).ids[places])
    p = np.concatenate([block.p[2, np.arange(len(block.words)), block.words] for block in blocks])
    np.testing.assert_allclose(np.log(p[np.argsort(places)]), small[2].score(dev), rtol=1e-9)


def test_drawn_words_are_those_of_the_target(small: list[LanguageModel], big: LanguageModel,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(target_module, "KEEP_NUMBERS", 0)
    events = TargetEvents(Expectations([*small, big], corpus_from_lines(["the cat"]), seed=0))
    sample, weights = events.sample(), np.array([0.3, 0.3, 0.4])
    assert sample is not None and sample.total > 60_000
    drawn, exact = sample.sums(weights).ratio / sample.total, events.sums(weights).ratio / events.total
    np.testing.assert_allclose(drawn, exact, atol=0.03)


def test_word_that_no_model_expects_is_named(small: list[LanguageModel], corpus: Corpus) -> None:
    without = train_ngram(corpus, 1)
    without.logp[1 + corpus.vocab.id("mat")] = -np.inf
    with pytest.raises(InputError, match="in sentence 1 the target expects 'mat' with probability .* no model does"):
        fit_to_target([without, without], corpus_from_lines(DEV), small[2])
    assert fit_to_target([without, small[2]], corpus_from_lines(DEV), small[2]).fit.weights[1] > 0.99


def test_what_cannot_be_compared_is_refused(small: list[LanguageModel], big: LanguageModel, corpus: Corpus) -> None:
    dev = corpus_from_lines(DEV)
    with pytest.raises(SettingError, match="no models"):
        fit_least_squares([], dev)
    with pytest.raises(SettingError, match="seed is -1"):
        Expectations(small, dev, seed=-1)
    with pytest.raises(SettingError, match="histories is 0"):
        fit_to_target(small, dev, big, histories=0)
    with pytest.raises(SettingError, match="tolerance"):
        fit_to_target(small, dev, big, tolerance=0)
    with pytest.raises(SettingError, match="gives scores, not probabilities"):
        fit_to_target(small, dev, train_ngram(corpus, 2, "stupid"))
    with pytest.raises(EventSpaceError, match="different vocabularies"):
        fit_least_squares([*small, train_ngram(corpus_from_lines(["a chair"]), 1)], dev)
