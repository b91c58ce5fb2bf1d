"""Newton's method and L-BFGS find what EM finds; their derivatives are those of finite differences."""

from __future__ import annotations

from collections.abc import Callable

import naive_mix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_em import MATRICES, matrix

from lmmix.errors import SettingError
from lmmix.mix import events
from lmmix.mix.em import fit_em
from lmmix.mix.events import MatrixEvents, ZeroEventError
from lmmix.mix.goal import Goal, WeightsFit, goal_for
from lmmix.mix.lbfgs import fit_lbfgs, logit_gradient
from lmmix.mix.newton import fit_newton
from lmmix.mix.simplex import nearest_on_simplex

FITS = pytest.mark.parametrize("fit", [fit_newton, fit_lbfgs])
Fit = Callable[..., WeightsFit]


def goal(seed: int = 0, members: int = 4) -> Goal:
    """A goal with counts, a prior on some members, and a slope."""
    rng = np.random.default_rng(seed)
    made = goal_for(MatrixEvents(matrix(seed, 300, members), rng.random(300) + 0.1), 1 + rng.integers(0, 9, members))
    return Goal(made.events, made.prior, rng.random(members))


def test_derivatives_equal_finite_differences() -> None:
    f = goal()
    w = np.array([0.1, 0.2, 0.3, 0.4])
    point, tiny = f.at(w, curvature=True), 1e-6
    for k, step in enumerate(tiny * np.eye(4)):
        above, below = f.at(w + step), f.at(w - step)
        assert (above.value - below.value) / (2 * tiny) == pytest.approx(point.gradient[k], rel=1e-7)
        difference = (above.gradient - below.gradient) / (2 * tiny)
        np.testing.assert_allclose(difference, -point.hessian[k], rtol=1e-6, atol=1e-8)


def test_gradient_in_logits_equals_finite_differences() -> None:
    f, logits, tiny = goal(1), np.array([0.3, -1.0, 0.5, 2.0]), 1e-6
    found = logit_gradient(f.at(np.exp(logits) / np.exp(logits).sum()))
    for k, step in enumerate(tiny * np.eye(4)):
        above, below = (np.exp(x) / np.exp(x).sum() for x in (logits + step, logits - step))
        assert (f.at(above).value - f.at(below).value) / (2 * tiny) == pytest.approx(found[k], rel=1e-6, abs=1e-9)


@FITS
@settings(max_examples=40)
@given(logp=MATRICES)
def test_certificate_is_reached_and_the_likelihood_is_that_of_em(fit: Fit, logp: np.ndarray) -> None:
    result, em = fit(logp, tolerance=1e-4), fit_em(logp, tolerance=1e-4)
    p = np.exp(logp)
    assert result.converged and result.weights.sum() == pytest.approx(1, abs=1e-12) and (result.weights >= 0).all()
    assert result.logp == pytest.approx(naive_mix.log_likelihood(p, result.weights), rel=1e-12, abs=1e-12)
    assert result.gap == pytest.approx(naive_mix.certificate(p, result.weights), abs=1e-9)
    assert result.logp == pytest.approx(em.logp, abs=1.1e-4 * len(logp))


@FITS
@pytest.mark.parametrize("members", [2, 3, 5])
def test_weights_agree_with_scipy_and_em(fit: Fit, members: int) -> None:
    rng = np.random.default_rng(members)
    logp, counts, alpha = matrix(members, 3000, members), rng.random(3000) + 0.5, 1 + 20 * rng.random(members)
    result = fit(logp, counts=counts, prior=alpha, tolerance=1e-9)
    np.testing.assert_allclose(result.weights, naive_mix.best_weights(np.exp(logp), counts, alpha), atol=1e-4)
    em = fit_em(logp, counts=counts, prior=alpha, tolerance=1e-9)
    np.testing.assert_allclose(result.weights, em.weights, atol=1e-5)


def test_newton_needs_few_passes_where_em_needs_many() -> None:
    logp = matrix(11, 5000, 8, spread=0.05)
    newton, em = fit_newton(logp, tolerance=1e-10), fit_em(logp, tolerance=1e-10)
    assert newton.converged and newton.iterations < 15
    assert em.converged and 80 < em.iterations < 100, "EM crawls, and Newton's method finishes"
    np.testing.assert_allclose(newton.weights, em.weights, atol=1e-6)


def test_newton_on_members_that_are_the_same_or_useless() -> None:
    logp = matrix(12, 400, 2)
    logp = np.hstack([logp, logp, np.full((400, 1), -1e4), np.full((400, 1), -np.inf)])
    result = fit_newton(logp)
    once = fit_newton(logp[:, :2])
    assert result.converged and result.logp == pytest.approx(once.logp, abs=400e-6)
    assert (result.weights[4:] < 1e-6).all()


@FITS
def test_one_member_one_event_strong_prior(fit: Fit) -> None:
    assert fit(matrix(10, 50, 1)).weights.tolist() == [1.0]
    assert fit(np.array([[-1.0, -2.0]]), tolerance=1e-3).weights[0] == pytest.approx(1, abs=1e-2)
    strong = fit(matrix(9, 200, 3), prior=np.array([1e6, 2e6, 1e6 / 2]))
    np.testing.assert_allclose(strong.weights, np.array([2, 4, 1]) / 7, atol=1e-3)


@FITS
def test_result_does_not_depend_on_threads(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PIECE_NUMBERS", 1000)
    logp = matrix(3, 2345, 3)
    one, more = fit(logp, threads=1), fit(logp, threads=3)
    np.testing.assert_array_equal(one.weights, more.weights)
    assert one.logp == more.logp


@FITS
def test_bad_input_is_refused(fit: Fit) -> None:
    logp = matrix(6, 20, 2)
    with pytest.raises(SettingError, match="start weights"):
        fit(logp, start=[1.0])
    with pytest.raises(SettingError, match="tolerance"):
        fit(logp, tolerance=0)
    logp[7] = -np.inf
    with pytest.raises(ZeroEventError, match="event 7"):
        fit(logp)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 8), st.sampled_from([1e-4, 1.0, 1e4]))
def test_nearest_on_simplex_is_a_minimum(seed: int, members: int, rows: int, scale: float) -> None:
    """The derivative towards each corner of the simplex is not negative."""
    rng = np.random.default_rng(seed)
    a, y = scale * rng.normal(size=(rows, members)), rng.normal(size=rows)
    w = nearest_on_simplex(a.T @ a, a.T @ y)
    assert w.sum() == pytest.approx(1) and (w >= 0).all()
    gradient = a.T @ (a @ w - y)
    assert gradient.min() >= gradient @ w - 1e-9 * (1 + np.linalg.norm(a) ** 2)
