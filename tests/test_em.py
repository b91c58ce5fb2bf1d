"""EM: its certificate is true, its weights are the best, its likelihood never falls."""

from __future__ import annotations

import naive_mix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmix.errors import SettingError
from lmmix.mix import _kernels as kernels
from lmmix.mix import em
from lmmix.mix.em import ZeroEventError, fit_em


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
    assert result.logp >= best_member - len(logp) * max(result.gap, 1e-9)


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
    point = em._Matrix(logp, threads=1).at(np.full(4, 0.25))
    np.testing.assert_allclose(point.em_step, naive_mix.em(np.exp(logp), 1), rtol=1e-12)


def test_a_million_events_reach_the_certificate() -> None:
    result = fit_em(matrix(2, 1_000_000, 3, spread=0.3))
    assert result.converged and result.iterations < 100


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_result_does_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(em, "PIECE_EVENTS", 100)
    logp = matrix(3, 2345, 3)
    one, more = fit_em(logp, threads=1), fit_em(logp, threads=threads)
    np.testing.assert_array_equal(one.weights, more.weights)
    assert one.logp == more.logp and one.gap == more.gap


def test_very_small_probabilities_neither_underflow_nor_overflow() -> None:
    logp = np.array([[-2000.0, -2001.0], [-1e5, -10.0], [-np.inf, -3.0], [-700.0, -np.inf]] * 50)
    result = fit_em(logp)
    assert np.isfinite(result.logp) and result.converged


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1023, 1024, 1025, 3000])
def test_em_sums_equal_naive(size: int) -> None:
    p = np.exp(matrix(size, size, 3))
    relative = np.ascontiguousarray((p / p.max(axis=1, keepdims=True)).T)
    weights, ratio = np.array([0.2, 0.0, 0.8]), np.zeros(3)
    log_sum = kernels._em_sums(relative, weights, 0, size, ratio)
    mix = weights @ relative
    assert log_sum == pytest.approx(np.log(mix).sum(), rel=1e-12)
    np.testing.assert_allclose(ratio, (relative / mix).sum(axis=1), rtol=1e-12)


def test_start_weight_zero_stays_zero() -> None:
    result = fit_em(matrix(5, 500, 3), start=[0.5, 0.5, 0.0], max_iterations=50)
    assert result.weights[2] == 0


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


@pytest.mark.parametrize("start", [[1.0], [0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_bad_start_is_refused(start: list[float]) -> None:
    with pytest.raises(SettingError, match="start weights"):
        fit_em(matrix(7, 5, 2), start=start)
