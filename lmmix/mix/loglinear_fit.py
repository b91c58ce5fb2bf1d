"""Weights of a log-linear mixture by Newton's method, with a certificate of how good they are.

The mean log-likelihood of events with log-probabilities x_t (a vector of K) in histories with normalisers Z_t is
Σ_t (w·x_t − ln Z_t(w)) / T. It is concave in w: its gradient is the mean of x_t − E_t[x], its Hessian that of −Cov_t[x]
(Klakow 1998, "Log-linear interpolation of language models"). Steps are halved until the likelihood rises enough
(Armijo), they are no longer than what the weights are, and flat directions are left alone, so weights stay finite
where members are alike.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lmmix.checks import gaussian_precision
from lmmix.errors import InputError, SettingError
from lmmix.logmath import perplexity
from lmmix.mix.normalise import Normaliser
from lmmix.progress import task

logger = logging.getLogger("lmmix")

FLAT = 1e-10
"""A direction has no curvature if it is less than this part of the largest: rounding would have its way there."""

LEAST = 1e-12
"""Nor has one with less than this, in nats²."""

STEEP = 10.0
"""A slope is steep if it is more than so many times the square root of the least curvature, a standard deviation."""

ENOUGH = 1e-4
"""A step has to gain this part of what the slope promises."""

MOST_HALVINGS = 50


@dataclass(frozen=True)
class LogLinearResult:
    """What Newton's method found.

    Attributes
    ----------
    weights : (K,) float64
        Of any sign.
    logp : float
        Natural log-likelihood of all events under the normalised mixture.
    events : int
        Number of events T.
    gap : float
        Certificate: the Newton decrement, half of gᵀH⁻¹g, in nats per event; by a quadratic model of the objective no
        weights are better by more.
    iterations : int
        Passes over the histories.
    converged : bool
        Whether `gap` is at most the tolerance asked for.
    zero : (K,) int64
        A word to which model k, but not every model, gives probability 0, or -1: this model may not have a negative
        weight.
    curve : list of (logp, gap)
        Likelihood and certificate at each point that was kept.
    """

    weights: np.ndarray
    logp: float
    events: int
    gap: float
    iterations: int
    converged: bool
    zero: np.ndarray
    curve: list[tuple[float, float]] = field(repr=False, default_factory=list)

    @property
    def ppl(self) -> float:
        """Perplexity of the mixture on the events."""
        return perplexity(self.logp, self.events)


class _Objective:
    """The mean log-likelihood of the events, less the prior."""

    def __init__(self, logp: np.ndarray, normaliser: Normaliser, prior: float, threads: int | None) -> None:
        self.events, self.members = logp.shape
        self.sum = logp.sum(axis=0)
        self.normaliser = normaliser
        self.precision = gaussian_precision(prior) / self.events
        self.threads = threads
        self.passes = 0

    def at(self, weights: np.ndarray) -> _Point:
        log_z, totals, zero = self.normaliser.sums(weights, True, self.threads)
        self.passes += 1
        logp = float(self.sum @ weights - log_z.sum())
        away = weights - 1.0 / self.members
        gradient = (self.sum - totals[1:, 0]) / self.events - self.precision * away
        lower = totals[1:, 1:] / self.events
        curvature = np.tril(lower) + np.tril(lower, -1).T + self.precision * np.eye(self.members)
        return _Point(weights, logp, logp / self.events - 0.5 * self.precision * away @ away, gradient, curvature, zero)


@dataclass(frozen=True)
class _Point:
    """Weights with what one pass over the histories says of them; `curvature` is the Hessian times −1."""

    weights: np.ndarray
    logp: float
    value: float
    gradient: np.ndarray
    curvature: np.ndarray
    zero: np.ndarray

    def newton_step(self) -> np.ndarray:
        """The step to the top of the parabola.

        A direction without curvature is left alone where the slope is small, too, as among members that are alike.
        Where it is steep, the weights are far from the best ones.
        """
        values, vectors = np.linalg.eigh(self.curvature)
        least = max(FLAT * float(values[-1]), LEAST)
        slope = vectors.T @ self.gradient
        slope[(values < least) & (np.abs(slope) < STEEP * np.sqrt(least))] = 0.0
        return vectors @ (slope / np.maximum(values, least))


def fit_loglinear(
    logp: np.ndarray,
    normaliser: Normaliser,
    *,
    tolerance: float = 1e-7,
    max_iterations: int = 200,
    prior: float = math.inf,
    start: Sequence[float] | None = None,
    threads: int | None = None,
) -> LogLinearResult:
    """The weights of the log-linear mixture of K models that gives T events the highest likelihood.

    Parameters
    ----------
    logp : (T, K) float64
        Finite natural log-probability of each event under each model.
    normaliser : Normaliser
        Of the same events and models (`lmmix.mix.normalise.normaliser_of`).
    tolerance : float
        Stop when the certificate (nats per event) is at most this.
    max_iterations : int
        Passes over the histories after which to stop all the same, with a logged warning.
    prior : float
        Standard deviation of a Gaussian prior on the weights around 1/K, at least 1e-6; infinite: none.
    start : K numbers, optional
        First weights; 1/K each by default.
    threads : int, optional
        The result does not depend on it.

    Raises SettingError for settings that are not allowed or a matrix of the wrong shape, InputError for an event
    without a finite log-probability.
    """
    logp = np.asarray(logp, np.float64)
    _check(logp, tolerance)
    members = logp.shape[1]
    weights = np.full(members, 1.0 / members) if start is None else np.array(start, np.float64)
    if weights.shape != (members,) or not np.isfinite(weights).all():
        raise SettingError(f"start weights {weights.tolist()} must be {members} finite numbers")
    objective = _Objective(logp, normaliser, prior, threads)
    with task("log-linear weights", None) as advance:
        best = objective.at(weights)
        step = best.newton_step()
        curve = [(best.logp, _gap(best, step))]
        while curve[-1][1] > tolerance and objective.passes < max_iterations:
            after = _climb(objective, best, step)
            if after is None:
                break
            best, step = after, after.newton_step()
            curve.append((best.logp, _gap(best, step)))
            advance(1)
    gap = curve[-1][1]
    if gap > tolerance:
        logger.warning("Newton's method stopped after %d passes with a gap of %.2g nats per event", len(curve), gap)
    return LogLinearResult(
        best.weights, best.logp, len(logp), gap, objective.passes, gap <= tolerance, best.zero, curve
    )


def _check(logp: np.ndarray, tolerance: float) -> None:
    if logp.ndim != 2 or 0 in logp.shape:
        raise SettingError(f"the matrix has shape {logp.shape}; it must be (events, models), both at least 1")
    if not 0 < tolerance < np.inf:
        raise SettingError(f"tolerance is {tolerance}; it must be a number above 0")
    bad = np.argwhere(~np.isfinite(logp))
    if len(bad):
        row, member = bad[0].tolist()
        raise InputError(
            f"event {row} has log-probability {logp[row, member]:g} in model {member + 1}; a log-linear mixture needs "
            "a finite one from all"
        )


def _gap(point: _Point, step: np.ndarray) -> float:
    return 0.5 * float(point.gradient @ step)


def _climb(objective: _Objective, now: _Point, step: np.ndarray) -> _Point | None:
    """The first of now + step, now + step / 2, … whose likelihood is higher by enough; None if rounding hides it."""
    slope = float(now.gradient @ step)
    length = min(1.0, (1.0 + float(np.linalg.norm(now.weights))) / float(np.linalg.norm(step)))
    for _ in range(MOST_HALVINGS):
        after = objective.at(now.weights + length * step)
        if after.value >= now.value + ENOUGH * length * slope:
            return after
        length /= 2
    return None
