"""EM: its certificate is true, its weights are the best, its likelihood never falls."""

from __future__ import annotations

import naive_mix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.errors import SettingError
from lmmix.mix import _kernels as kernels
from lmmix.mix import events
from lmmix.mix.em import fit_em
from lmmix.mix.events import MatrixEvents, ZeroEventError
from lmmix.mix.goal import goal_for


def matrix(seed: int, events: int, members: int, spread: float = 2.0) -> np.ndarray:
    """Random log-probabilities in which members partly agree."""
    rng = np.random.default_rng(seed)
    return np.minimum(0, rng.normal(-6, 3, (events, 1)) + rng.normal(0, spread, (events, members)))


MATRICES = st.builds(
    matrix, st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 6), st.sampled_from([1e-3, 0.1, 2.0, 30.0])
)


@given(MATRICES)
def test_certificate_holds_and_likelihood_never_falls(logp: np.ndarray) -> None:
    result = fit_em(logp, max_iterations=3000)
    p = np.exp(logp)
    assert result.weights.sum() == pytest.approx(1, abs=1e-12) and (result.weights >= 0).all()
    assert result.logp == pytest.approx(naive_mix.log_likelihood(p, result.weights), rel=1e-12, abs=1e-12)
    assert result.gap == pytest.approx(naive_mix.certificate(p, result.weights), abs=1e-9)
    assert result.converged == (result.gap <= 1e-6)
    likelihoods = [value for value, _ in result.curve]
    assert (np.diff(likelihoods) >= -1e-9 * (1 + abs(result.logp))).all()
    best_member = logp.sum(axis=0).max()
    assert result.logp >= best_member - len(logp) * (result.gap + 1e-9)


@settings(max_examples=20)
@given(MATRICES)
def test_no_other_weights_are_better_than_the_certificate_allows(logp: np.ndarray) -> None:
    result = fit_em(logp)
    p = np.exp(logp)
    best = naive_mix.log_likelihood(p, np.clip(naive_mix.best_weights(p), 1e-300, 1))
    assert best <= result.logp + len(logp) * (result.gap + 1e-9)


@pytest.mark.parametrize("members", [2, 3, 5])
def test_weights_agree_with_scipy(members: int) -> None:
    logp = matrix(members, 4000, members)
    result = fit_em(logp, tolerance=1e-10)
    np.testing.assert_allclose(result.weights, naive_mix.best_weights(np.exp(logp)), atol=1e-4)


def test_first_step_is_plain_em() -> None:
    logp = matrix(1, 100, 4)
    counts, alpha = np.random.default_rng(0).integers(1, 9, 100).astype(float), np.array([1.0, 1.5, 2.0, 30.0])
    point = goal_for(MatrixEvents(logp)).at(np.full(4, 0.25))
    np.testing.assert_allclose(point.em_step, naive_mix.em(np.exp(logp), 1), rtol=1e-12)
    point = goal_for(MatrixEvents(logp, counts), alpha).at(np.full(4, 0.25))
    np.testing.assert_allclose(point.em_step, naive_mix.em(np.exp(logp), 1, counts, alpha), rtol=1e-12)


def test_a_million_events_reach_the_certificate() -> None:
    result = fit_em(matrix(2, 1_000_000, 3, spread=0.3))
    assert result.converged and result.iterations < 100


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few thousand events are many: they are cut into pieces, and a sample of 100 is taken."""
    monkeypatch.setattr(events, "PIECE_NUMBERS", 1000)
    monkeypatch.setattr(events, "SAMPLE_EVENTS", 100)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("rows", [399, 2345])
@pytest.mark.parametrize("counted", [False, True])
def test_result_does_not_depend_on_threads(rows: int, counted: bool) -> None:
    logp = matrix(3, rows, 3)
    counts = np.random.default_rng(3).random(rows) + 0.1 if counted else None
    one = fit_em(logp, counts=counts, threads=1)
    for threads in (2, 3):
        more = fit_em(logp, counts=counts, threads=threads)
        np.testing.assert_array_equal(one.weights, more.weights)
        assert one.logp == more.logp and one.gap == more.gap


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spread", [1e-2, 2.0, 30.0])
def test_a_sample_only_makes_it_faster(seed: int, spread: float) -> None:
    """Also where the sample sees too little: with a spread of 30, hardly any two members agree on an event."""
    rng = np.random.default_rng(seed)
    logp = matrix(seed, 3000, 4, spread)
    counts, alpha = (rng.pareto(1.0, 3000) + 0.01, 1 + rng.random(4)) if seed % 2 else (np.ones(3000), 1.0)
    assert MatrixEvents(logp).sample() is not None
    result = fit_em(logp, counts=counts, prior=alpha, tolerance=1e-7)
    assert result.converged and result.iterations < 100
    best, p = naive_mix.best_weights(np.exp(logp), counts, alpha), np.exp(logp)
    prior = np.broadcast_to(np.asarray(alpha) - 1, 4)

    def value(w: np.ndarray) -> float:
        return float((counts * np.log(p @ w)).sum() + (prior * np.log(np.maximum(w, 1e-300))).sum()) / counts.sum()

    assert value(result.weights) >= value(best) - 1e-7


@pytest.mark.usefixtures("small_pieces")
def test_few_events_that_the_sample_lacks_are_not_forgotten() -> None:
    """One event in 10,000 is known to the last member only, which the sample finds useless."""
    logp = matrix(8, 20_000, 3)
    logp[:, 2] = logp[:, :2].min(axis=1) - 5
    logp[[77, 15_000]] = [[-np.inf, -np.inf, -1.0]]
    result = fit_em(logp)
    assert result.converged and result.weights[2] == pytest.approx(1e-4, rel=0.05)


@pytest.mark.usefixtures("small_pieces")
def test_first_bad_row_is_named_in_large_matrices_too() -> None:
    for rows in ([1234, 2800], np.arange(1234, 3000)):
        logp = matrix(6, 3000, 2)
        logp[rows] = -np.inf
        with pytest.raises(ZeroEventError, match="event") as caught:
            fit_em(logp)
        assert caught.value.row in rows


@given(MATRICES, st.integers(0, 10**6))
def test_counts_are_repetitions(logp: np.ndarray, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(1, 4, len(logp))
    counted, repeated = fit_em(logp, counts=counts), fit_em(np.repeat(logp, counts, axis=0))
    assert counted.logp == pytest.approx(repeated.logp, rel=1e-9, abs=len(logp) * 1e-5)
    assert counted.events == repeated.events and counted.ppl == pytest.approx(repeated.ppl, rel=1e-5)
    again = naive_mix.log_likelihood(np.repeat(np.exp(logp), counts, axis=0), counted.weights)
    assert counted.logp == pytest.approx(again, rel=1e-12, abs=1e-12)


@given(MATRICES, st.floats(1e-3, 1e3))
def test_only_the_ratios_of_counts_matter(logp: np.ndarray, factor: float) -> None:
    once, more = fit_em(logp, max_iterations=20), fit_em(logp, counts=np.full(len(logp), factor), max_iterations=20)
    np.testing.assert_allclose(once.weights, more.weights, atol=1e-6)
    assert more.logp == pytest.approx(factor * once.logp, rel=1e-6, abs=1e-9)


@settings(max_examples=50)
@given(MATRICES, st.sampled_from([1.0, 1.01, 2.0, 50.0]), st.integers(0, 10**6))
def test_prior_certificate_holds(logp: np.ndarray, largest: float, seed: int) -> None:
    alpha = 1 + (largest - 1) * np.random.default_rng(seed).random(logp.shape[1])
    result = fit_em(logp, prior=alpha)
    p = np.exp(logp)
    best = np.clip(naive_mix.best_weights(p, alpha=alpha), 1e-300, 1)
    with np.errstate(divide="ignore"):
        theirs, ours = (
            naive_mix.log_likelihood(p, w) + ((alpha - 1) * np.log(np.maximum(w, 1e-300))).sum()
            for w in (best, result.weights)
        )
    assert theirs <= ours + len(logp) * (result.gap + 1e-9)


def test_a_strong_prior_is_all_that_counts() -> None:
    result = fit_em(matrix(9, 200, 3), prior=np.array([1e9, 2e9, 1.0]))
    np.testing.assert_allclose(result.weights, [1 / 3, 2 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(fit_em(matrix(9, 200, 3), prior=1e12).weights, 1 / 3, atol=1e-8)


def test_one_member_one_event_and_members_that_are_the_same() -> None:
    alone = fit_em(matrix(10, 50, 1))
    assert alone.weights.tolist() == [1.0] and alone.iterations == 1 and abs(alone.gap) < 1e-12
    single = fit_em(np.array([[-1.0, -2.0]]), tolerance=1e-9)
    assert single.converged and single.weights[0] == pytest.approx(1, abs=1e-8)
    same = fit_em(np.repeat(matrix(10, 50, 1), 4, axis=1))
    np.testing.assert_allclose(same.weights, 0.25, rtol=1e-12)


def test_very_small_probabilities_neither_underflow_nor_overflow() -> None:
    logp = np.array([[-2000.0, -2001.0], [-1e5, -10.0], [-np.inf, -3.0], [-700.0, -np.inf]] * 50)
    result = fit_em(logp)
    assert np.isfinite(result.logp) and result.converged


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1023, 1024, 1025, 3000])
def test_em_sums_equal_naive(size: int) -> None:
    p = np.exp(matrix(size, size, 3))
    relative = np.ascontiguousarray((p / p.max(axis=1, keepdims=True)).T)
    weights, ratio = np.array([0.2, 0.0, 0.8]), np.zeros(3)
    log_sum = kernels._em_sums(relative, np.zeros(0), weights, ratio)
    mix = weights @ relative
    assert log_sum == pytest.approx(np.log(mix).sum(), rel=1e-12)
    np.testing.assert_allclose(ratio, (relative / mix).sum(axis=1), rtol=1e-12)
    counts, ratio = np.random.default_rng(size).random(size) * 10, np.zeros(3)
    log_sum = kernels._em_sums(relative, counts, weights, ratio)
    assert log_sum == pytest.approx((counts * np.log(mix)).sum(), rel=1e-12)
    np.testing.assert_allclose(ratio, (counts * relative / mix).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("value", [-np.inf, np.nan, np.inf])
def test_row_without_a_usable_number_is_named(value: float) -> None:
    logp = matrix(6, 20, 2)
    logp[7] = value
    with pytest.raises(ZeroEventError, match="event 7"):
        fit_em(logp)


@pytest.mark.parametrize("logp", [np.zeros((0, 2)), np.zeros((3, 0)), np.zeros(3)])
def test_matrix_of_wrong_shape_is_refused(logp: np.ndarray) -> None:
    with pytest.raises(SettingError, match="shape"):
        fit_em(logp)


@pytest.mark.parametrize("start", [[1.0], [1.0, 0.0], [0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_bad_start_is_refused(start: list[float]) -> None:
    with pytest.raises(SettingError, match="start weights"):
        fit_em(matrix(7, 5, 2), start=start)


@pytest.mark.parametrize("counts", [[1.0], [1, 1, 1, 1, 0], [1, 1, -1, 1, 1], [1, np.nan, 1, 1, 1], [np.inf] * 5])
def test_bad_counts_are_refused(counts: list[float]) -> None:
    with pytest.raises(SettingError, match="count"):
        fit_em(matrix(7, 5, 2), counts=counts)


@pytest.mark.parametrize("prior", [0.5, np.nan, np.inf, [1.0], [2.0, 0.0], [[1.0, 1.0]]])
def test_bad_prior_is_refused(prior: float | list[float]) -> None:
    with pytest.raises(SettingError, match="prior is"):
        fit_em(matrix(7, 5, 2), prior=prior)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, np.inf])
def test_bad_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(SettingError, match="tolerance is"):
        fit_em(matrix(7, 5, 2), tolerance=tolerance)
