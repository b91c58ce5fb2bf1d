"""Weights of a linear mixture by expectation maximisation, with a certificate of how good they are.

Dempster, Laird & Rubin (1977); the steps are lengthened by squared extrapolation (Varadhan & Roland 2008, scheme
S3), which keeps the likelihood from falling and needs far fewer passes where members are alike.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.logmath import perplexity
from lmmix.mix import _kernels as kernels
from lmmix.parallel import cut, thread_map

logger = logging.getLogger("lmmix")

PIECE_EVENTS = 1 << 16


@dataclass(frozen=True)
class EmResult:
    """What EM found.

    Attributes
    ----------
    weights : (K,) float64
        They sum to 1.
    logp : float
        Natural log-likelihood of all events under the mixture.
    events : int
        Number of events T.
    gap : float
        Certificate: no weights give more than `gap` nats per event over these. With g_k the mean over events
        of p_k / p_mix, it is max_k g_k − 1, since the log-likelihood is concave in the weights.
    iterations : int
        Passes over the matrix.
    converged : bool
        Whether `gap` is at most the tolerance asked for.
    curve : list of (logp, gap)
        Likelihood and certificate after each pass that was kept.
    """

    weights: np.ndarray
    logp: float
    events: int
    gap: float
    iterations: int
    converged: bool
    curve: list[tuple[float, float]] = field(repr=False, default_factory=list)

    @property
    def ppl(self) -> float:
        """Perplexity of the mixture on the events."""
        return perplexity(self.logp, self.events)


@dataclass(frozen=True)
class _Point:
    """Weights with what one pass over the matrix says of them: likelihood and g."""

    weights: np.ndarray
    logp: float
    ratio: np.ndarray

    @property
    def gap(self) -> float:
        return float(self.ratio.max()) - 1.0

    @property
    def em_step(self) -> np.ndarray:
        """The weights after one step of EM: w_k g_k."""
        step = self.weights * self.ratio
        return step / step.sum()


class _Matrix:
    """The events, ready for passes with different weights."""

    def __init__(self, logp: np.ndarray, threads: int | None) -> None:
        self.events, members = logp.shape
        self.threads = threads
        self.pieces = cut(self.events, PIECE_EVENTS)
        self.relative = np.empty((members, self.events))
        shift = np.empty(self.events)
        bad = thread_map(lambda piece: kernels._relative(logp, *piece, self.relative, shift), self.pieces, threads)
        for row in bad:
            if row >= 0:
                raise ZeroEventError(row, logp[row])
        self.shift = float(shift.sum())

    def at(self, weights: np.ndarray) -> _Point:
        parts = thread_map(partial(self._sums, weights), self.pieces, self.threads)
        logp = self.shift + sum(part[0] for part in parts)
        ratio = sum((part[1] for part in parts), np.zeros(len(weights))) / self.events
        return _Point(weights, logp, ratio)

    def _sums(self, weights: np.ndarray, piece: tuple[int, int]) -> tuple[float, np.ndarray]:
        ratio = np.zeros(len(weights))
        return kernels._em_sums(self.relative, weights, *piece, ratio), ratio


class ZeroEventError(InputError):
    """An event to which no member gives a probability; `row` is its place in the matrix."""

    def __init__(self, row: int, values: np.ndarray) -> None:
        super().__init__(
            f"event {row} has log-probabilities {', '.join(f'{value:g}' for value in values)}: a mixture needs a "
            "finite one from at least one model, and none that is nan or positive infinity"
        )
        self.row = row


def fit_em(
    logp: np.ndarray,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 10_000,
    start: Sequence[float] | None = None,
    threads: int | None = None,
) -> EmResult:
    """The weights that give K models together the highest likelihood of T events.

    Parameters
    ----------
    logp : (T, K) float64
        Natural log-probability of each event under each model; −inf is allowed.
    tolerance : float
        Stop when the certificate (nats per event) is at most this.
    max_iterations : int
        Passes over the matrix after which to stop all the same, with a logged warning.
    start : K positive numbers, optional
        First weights; equal ones by default. A weight of 0 stays 0 for ever.
    threads : int, optional
        The result does not depend on it.

    Raises SettingError for a matrix of the wrong shape or bad start weights, ZeroEventError for a row without
    a finite value.
    """
    logp = np.ascontiguousarray(logp, np.float64)
    if logp.ndim != 2 or 0 in logp.shape:
        raise SettingError(f"the matrix has shape {logp.shape}; it must be (events, models), both at least 1")
    if not 0 < tolerance < np.inf:
        raise SettingError(f"tolerance is {tolerance}; it must be a number above 0")
    matrix = _Matrix(logp, threads)
    best = matrix.at(_start_weights(start, logp.shape[1]))
    curve = [(best.logp, best.gap)]
    passes = 1
    while best.gap > tolerance and passes < max_iterations:
        best, used = _cycle(matrix, best)
        passes += used
        curve.append((best.logp, best.gap))
    if best.gap > tolerance:
        logger.warning("EM stopped after %d passes with a gap of %.2g nats per event", passes, best.gap)
    return EmResult(best.weights, best.logp, matrix.events, best.gap, passes, best.gap <= tolerance, curve)


def _start_weights(start: Sequence[float] | None, members: int) -> np.ndarray:
    weights = np.full(members, 1.0 / members) if start is None else np.array(start, np.float64)
    if weights.shape != (members,) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise SettingError(f"start weights {list(weights)} must be {members} numbers, none negative, not all 0")
    return weights / weights.sum()


def _cycle(matrix: _Matrix, now: _Point) -> tuple[_Point, int]:
    """Two steps of EM, and a longer one in their direction if that is better; (the best point, passes used)."""
    first = matrix.at(now.em_step)
    second = first.em_step
    step = first.weights - now.weights
    bend = (second - first.weights) - step
    length = np.linalg.norm(step) / max(float(np.linalg.norm(bend)), 1e-300)
    if length > 1.0:
        leap = now.weights + 2.0 * length * step + length**2 * bend
        if (leap >= 0).all() and leap.sum() > 0:
            leapt = matrix.at(leap / leap.sum())
            if leapt.logp >= first.logp:
                return leapt, 2
    return matrix.at(second), 2 if length <= 1.0 else 3
