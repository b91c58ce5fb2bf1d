"""What static weights of a linear mixture are to maximise, and what is said of weights that do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lmmix.errors import SettingError
from lmmix.logmath import perplexity
from lmmix.mix.events import Events

logger = logging.getLogger("lmmix")


@dataclass(frozen=True)
class WeightsFit:
    """Weights that were found, and how good they are.

    Attributes
    ----------
    weights : (K,) float64
        They sum to 1.
    logp : float
        Natural log-likelihood of all events under the mixture.
    events : int or float
        Number of events T, or the sum of their counts.
    gap : float
        Certificate: no weights give more than `gap` nats per event over these; with a prior, of likelihood and
        prior together. See `Point.gap`.
    iterations : int
        Passes over all events.
    converged : bool
        Whether `gap` is at most the tolerance asked for.
    curve : list of (logp, gap)
        Likelihood and certificate after each pass that was kept.
    """

    weights: np.ndarray
    logp: float
    events: float
    gap: float
    iterations: int
    converged: bool
    curve: list[tuple[float, float]] = field(repr=False, default_factory=list)

    @property
    def ppl(self) -> float:
        """Perplexity of the mixture on the events."""
        return perplexity(self.logp, self.events)


@dataclass(frozen=True)
class Point:
    """Weights with what one pass over the events says of them.

    Attributes
    ----------
    weights : (K,)
    logp : float
        Log-likelihood of the events.
    value : float
        The goal, nats per event.
    gradient, hessian : (K,), (K, K)
        Its derivatives in the weights, the second one negated (only where it was asked for).
    """

    weights: np.ndarray
    logp: float
    value: float
    gradient: np.ndarray
    hessian: np.ndarray

    @property
    def gap(self) -> float:
        """max_k G_k − Σ_k w_k G_k with the gradient G: since the goal is concave, nothing is better by more.

        (Frank & Wolfe 1956.) For the likelihood alone, G_k is the mean of p_k / p_mix over events, and Σ w_k G_k = 1.
        """
        return float(self.gradient.max() - self.weights @ self.gradient)

    @property
    def em_step(self) -> np.ndarray:
        """The weights after one step of EM: w_k G_k, made to sum to 1."""
        step = self.weights * self.gradient
        return step / step.sum()


@dataclass(frozen=True)
class Goal:
    """F(w) = [Σ_t c_t ln Σ_k w_k p_tk + Σ_k (α_k − 1) ln w_k] / Σ_t c_t + Σ_k b_k w_k, concave on the simplex.

    Attributes
    ----------
    events : Events
    prior : (K,)
        (α_k − 1) / Σ_t c_t, not negative: α are the parameters of a Dirichlet prior.
    slope : (K,)
        b, not negative. Since 1 + ln x ≤ x, b_k w_k has the same lower bound in a step of EM that the other terms
        have, so the step is w_k ∂F/∂w_k for all of them and never makes F smaller.
    """

    events: Events
    prior: np.ndarray
    slope: np.ndarray

    def at(self, weights: np.ndarray, curvature: bool = False) -> Point:
        """One pass over the events."""
        sums, total = self.events.sums(weights, curvature), self.events.total
        pull = np.divide(self.prior, weights, out=np.zeros(len(weights)), where=self.prior > 0)
        value = sums.logp / total + float(self._log_prior(weights) + self.slope @ weights)
        hessian = sums.hessian / total
        if curvature:
            hessian += np.diag(np.divide(pull, weights, out=np.zeros(len(weights)), where=self.prior > 0))
        return Point(weights, sums.logp, value, sums.ratio / total + pull + self.slope, hessian)

    def _log_prior(self, weights: np.ndarray) -> float:
        """Σ_k prior_k ln w_k, −inf where a weight with a prior is 0."""
        counted = self.prior > 0
        with np.errstate(divide="ignore"):
            return float(self.prior[counted] @ np.log(weights[counted]))


def goal_for(events: Events, prior: float | Sequence[float] | np.ndarray = 1.0) -> Goal:
    """Likelihood and Dirichlet prior; `prior` is α, one number for all members or K. Raises SettingError."""
    alpha = np.array(prior, np.float64)
    if alpha.shape not in ((), (events.members,)) or not ((alpha >= 1) & (alpha < np.inf)).all():
        raise SettingError(f"prior is {prior}; it must be a finite number from 1, or {events.members} of them")
    return Goal(events, np.broadcast_to((alpha - 1) / events.total, (events.members,)), np.zeros(events.members))


def start_weights(start: Sequence[float] | np.ndarray | None, goal: Goal) -> np.ndarray:
    """Start weights on the simplex, equal ones by default. Raises SettingError unless all are positive."""
    members = goal.events.members
    weights = np.full(members, 1.0 / members) if start is None else np.array(start, np.float64)
    if weights.shape != (members,) or not (weights > 0).all() or not weights.sum() < np.inf:
        raise SettingError(f"start weights {weights.tolist()} must be {members} positive numbers")
    return weights / weights.sum()


def check_tolerance(tolerance: float) -> None:
    """Raises SettingError for anything but a positive number."""
    if not 0 < tolerance < np.inf:
        raise SettingError(f"tolerance is {tolerance}; it must be a number above 0")


class Climb:
    """The way up: the best point so far, the passes it took, and what it was like on the way."""

    def __init__(self, goal: Goal, first: Point) -> None:
        self.goal, self.best, self.passes = goal, first, 1
        self.curve = [(first.logp, first.gap)]

    def at(self, weights: np.ndarray, curvature: bool = False) -> Point:
        """`Goal.at`, counted."""
        self.passes += 1
        return self.goal.at(weights, curvature)

    def keep(self, point: Point) -> None:
        """Go on from `point`."""
        self.best = point
        self.curve.append((point.logp, point.gap))

    def report(self, tolerance: float) -> WeightsFit:
        """What was found; warns if the gap is above the tolerance."""
        best, converged = self.best, self.best.gap <= tolerance
        if not converged:
            logger.warning("weights: stopped after %d passes with a gap of %.2g nats per event", self.passes, best.gap)
        total = self.goal.events.total
        return WeightsFit(best.weights, best.logp, total, best.gap, self.passes, converged, self.curve)
