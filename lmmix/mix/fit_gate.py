"""Gates fitted to held-out text: L-BFGS on the likelihood, with its exact gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from lmmix.checks import gaussian_precision
from lmmix.errors import SettingError
from lmmix.logmath import perplexity
from lmmix.mix import _kernels as kernels
from lmmix.mix.em import fit_em
from lmmix.mix.gate import FeatureMap, Gate, spreads
from lmmix.mix.goal import WeightsFit
from lmmix.mix.minimise import minimise
from lmmix.parallel import cut, thread_map

PIECE_EVENTS = 1 << 13

LEAST_WEIGHT = 1e-3
"""What a member has at first at least: from no weight there is no slope back."""


PRIOR = 0.2
"""Standard deviation of θ: wide enough for what thousands of sentences tell; a wider one learns a hundred by heart."""

ENOUGH = 0.01
"""An iteration that gains less than this part of the tolerance is the last."""


@dataclass(frozen=True)
class GateFit:
    """A gate with how it was found.

    Attributes
    ----------
    gate : Gate
    logp : float
        ln-likelihood of the events; where θ is free, never below that of the best fixed weights.
    events : int
    em : WeightsFit
        The best fixed weights of the same events.
    iterations : int
        Of L-BFGS.
    slope : float
        Largest part of the gradient (nats per event) where it stopped; no bound on what other gates could give.
    curve : list of float
        Perplexity after each iteration.
    """

    gate: Gate
    logp: float
    events: int
    em: WeightsFit
    iterations: int
    slope: float
    curve: list[float]

    @property
    def ppl(self) -> float:
        """Perplexity of the mixture on the events."""
        return perplexity(self.logp, self.events)


def fit_gate(
    logp: np.ndarray,
    features: np.ndarray,
    *,
    fixed: np.ndarray | None = None,
    scaled: bool = False,
    mapping: FeatureMap | None = None,
    prior: float = PRIOR,
    max_iterations: int = 200,
    tolerance: float = 1e-6,
    threads: int | None = None,
) -> GateFit:
    """The gate that gives T events the highest likelihood, with a Gaussian prior on θ.

    The likelihood is Σ_t ln Σ_k w_k(t) p_tk; where θ is free it need not be concave, so a local optimum is found,
    starting from the best fixed weights.

    Parameters
    ----------
    logp : (T, K) float64
        ln p of each event under each member; a finite one in each row.
    features : (T, F) float64
        Of the history of each event; F may be 0, which leaves the fixed weights of EM.
    fixed : (K, D), optional
        θ, if only the bias is to be found: count merging and Bayesian interpolation know it.
    scaled : bool
        θ is `fixed` times a number, which is to be found too; it has no prior.
    mapping : FeatureMap, optional
        What the features go through before.
    prior : float
        Standard deviation of θ, in units of features that vary by 1, at least 1e-6; inf for none.
    max_iterations, tolerance
        Of L-BFGS: when to stop; tolerance in nats per event.
    threads : int, optional
        The result does not depend on it.

    Raises SettingError for a prior below 1e-6, or arrays that do not fit.
    """
    if len(features) != len(logp) or not np.isfinite(features).all():
        raise SettingError(f"features are {features.shape}, for {len(logp)} events; all of them must be finite")
    em = fit_em(logp, threads=threads)
    goal = _Goal(logp, features if mapping is None else mapping(features), fixed, prior, threads, scaled)
    start = np.zeros(goal.parameters)
    start[: goal.members] = np.log(np.maximum(em.weights, LEAST_WEIGHT))
    curve: list[float] = []
    found = minimise(
        goal.cost,
        start,
        max_iterations=max_iterations,
        slope=tolerance,
        change=ENOUGH * tolerance,
        callback=lambda: curve.append(goal.last_ppl),
    )
    reached = goal.logp(found.x)
    bias, theta = goal.unscaled(found.x)
    if (fixed is None or scaled) and reached < em.logp:
        with np.errstate(divide="ignore"):
            bias, theta, reached = np.log(em.weights), np.zeros_like(theta), em.logp
    slope = float(np.abs(found.gradient).max())
    return GateFit(Gate(bias, theta, mapping), reached, len(logp), em, found.iterations, slope, curve)


class _Goal:
    """The likelihood of the events as a function of x: the bias (K,), and what is free of θ: rows, a scale, nothing."""

    def __init__(
        self,
        logp: np.ndarray,
        features: np.ndarray,
        fixed: np.ndarray | None,
        prior: float,
        threads: int | None,
        scaled: bool = False,
    ) -> None:
        self.events, self.members = logp.shape
        shift = logp.max(axis=1)
        self.shift = float(shift.sum())
        self.relative = np.exp(logp - shift[:, None])
        # Where θ is found, features vary by 1 around 0, so that one prior and one length of steps suit them all.
        self.scale = spreads(features) if fixed is None else np.ones(features.shape[1])
        self.mean = features.mean(axis=0) if fixed is None else np.zeros(features.shape[1])
        self.features = np.ascontiguousarray((features - self.mean) / self.scale)
        self.fixed = fixed
        self.scaled = scaled
        self.parameters = self.members + (self.members * features.shape[1] if fixed is None else int(scaled))
        self.precision = gaussian_precision(prior) / self.events if fixed is None else 0.0
        self.threads = threads
        self.last_ppl = np.nan

    def cost(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """−(likelihood and prior) per event, and its gradient."""
        theta = self._theta(x)
        parts = thread_map(partial(self._sums, x[: self.members], theta), cut(self.events, PIECE_EVENTS), self.threads)
        total = self.shift + sum(part[0] for part in parts)
        to_bias = np.sum([part[1] for part in parts], axis=0)
        to_theta = np.sum([part[2] for part in parts], axis=0)
        self.last_ppl = perplexity(total, self.events)
        free = x[self.members :]
        slope = np.concatenate([to_bias, self._to_free(to_theta)]) / -self.events
        slope[self.members :] += self.precision * free
        return -total / self.events + 0.5 * self.precision * float(free @ free), slope

    def _sums(
        self, bias: np.ndarray, theta: np.ndarray, piece: tuple[int, int]
    ) -> tuple[float, np.ndarray, np.ndarray]:
        to_bias, to_theta = np.zeros_like(bias), np.zeros_like(theta)
        total = kernels._gate_sums(self.relative, self.features, bias, theta, *piece, to_bias, to_theta)
        return total, to_bias, to_theta

    def _theta(self, x: np.ndarray) -> np.ndarray:
        free = x[self.members :]
        if self.fixed is None:
            return free.reshape(self.members, -1)
        return free[0] * self.fixed if self.scaled else self.fixed

    def _to_free(self, to_theta: np.ndarray) -> np.ndarray:
        """The gradient in what is free of θ, given that in θ."""
        if self.fixed is None:
            return to_theta.ravel()
        return np.array([(to_theta * self.fixed).sum()] if self.scaled else [])

    def logp(self, x: np.ndarray) -> float:
        """The likelihood alone."""
        free = x[self.members :]
        return self.events * (0.5 * self.precision * float(free @ free) - self.cost(x)[0])

    def unscaled(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bias (K,) and θ (K, D) for the features as they were given."""
        theta = self._theta(x) / self.scale
        bias = x[: self.members] - theta @ self.mean
        return bias - bias.max(), theta
