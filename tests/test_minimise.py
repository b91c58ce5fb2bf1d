"""L-BFGS against scipy's, exact minima, and functions that are no friends of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmix.mix.minimise import minimise


def rosenbrock(x: np.ndarray) -> tuple[float, np.ndarray]:
    optimize = pytest.importorskip("scipy.optimize")
    return float(optimize.rosen(x)), optimize.rosen_der(x)


@pytest.mark.parametrize("size", [2, 10, 40])
def test_rosenbrock_in_as_few_steps_as_scipy(size: int) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    start = np.full(size, -1.0)
    found = minimise(rosenbrock, start, max_iterations=1000, slope=1e-6, change=0.0)
    theirs = optimize.minimize(rosenbrock, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-6, "ftol": 0})
    assert found.value < 1e-9 and np.abs(found.gradient).max() <= 1e-6
    assert found.iterations <= 1.3 * theirs.nit + 5


@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0, 6))
def test_quadratic_functions_to_the_exact_minimum(seed: int, size: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    curvature = 10 ** rng.uniform(-spread / 2, spread / 2, size)
    turned = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix, best = turned * curvature @ turned.T, rng.normal(size=size)

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = matrix @ (x - best)
        return 0.5 * float((x - best) @ gradient), gradient

    found = minimise(function, np.zeros(size), max_iterations=5000, slope=1e-9, change=0.0)
    assert found.value <= 1e-12 * max(1.0, function(np.zeros(size))[0])


def test_stops_and_reports() -> None:
    seen: list[int] = []
    start = np.full(10, -1.0)
    found = minimise(rosenbrock, start, max_iterations=3, slope=0.0, change=0.0, callback=lambda: seen.append(1))
    assert found.iterations == len(seen) == 3 and found.value < rosenbrock(start)[0]
    assert minimise(rosenbrock, np.ones(10), max_iterations=9, slope=1e-6, change=0.0).iterations == 0
    assert minimise(rosenbrock, start, max_iterations=900, slope=0.0, change=1.0).iterations < 20
    nothing = minimise(lambda x: (1.0, x), np.zeros(0), max_iterations=9, slope=0.0, change=0.0)
    assert nothing.value == 1 and nothing.iterations == 0


def test_steps_that_cannot_be_computed_are_cut() -> None:
    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(100 * x[0] - np.log(x[0])), 100 - 1 / x

    found = minimise(function, np.array([5.0]), max_iterations=200, slope=1e-8, change=0.0)
    assert found.x[0] == pytest.approx(0.01, rel=1e-6)


def test_a_wrong_gradient_ends_the_search() -> None:
    found = minimise(lambda x: (float(x @ x), -2 * x), np.ones(3), max_iterations=9, slope=0.0, change=0.0)
    np.testing.assert_array_equal(found.x, 1)
    assert found.iterations == 0
