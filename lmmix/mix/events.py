"""The events that weights are found on, as passes over them: what given weights make of all events together.

A large matrix is read piece by piece and nothing of its size is made of it; a sample of its rows is kept ready.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.mix import _kernels as kernels
from lmmix.parallel import cut, thread_map

PIECE_NUMBERS = 1 << 17
"""Numbers of the matrix that a thread works on at a time: what fits the cache of a core."""

SAMPLE_EVENTS = 1 << 18
SAMPLE_NUMBERS = 1 << 23
"""A sample is so many events, or fewer where there are many members."""

_NO_COUNTS = np.zeros(0)


class ZeroEventError(InputError):
    """An event to which no member gives a probability; `row` is its place in the matrix."""

    def __init__(self, row: int, values: np.ndarray) -> None:
        super().__init__(
            f"event {row} has log-probabilities {', '.join(f'{value:g}' for value in values)}: a mixture needs a "
            "finite one from at least one model, and none that is nan or positive infinity"
        )
        self.row = row


@dataclass(frozen=True)
class Sums:
    """Sums over events t that occur c_t times, with r_tk = p_tk / Σ_j w_j p_tj.

    Attributes
    ----------
    logp : float
        Σ_t c_t ln Σ_k w_k p_tk.
    ratio : (K,)
        Σ_t c_t r_tk, the gradient of `logp` in the weights.
    hessian : (K, K)
        Σ_t c_t r_tj r_tk, minus the second derivative of `logp`; zeros where it was not asked for.
    """

    logp: float
    ratio: np.ndarray
    hessian: np.ndarray

    @staticmethod
    def of(p: np.ndarray, counts: np.ndarray, weights: np.ndarray, curvature: bool) -> Sums:
        """Over the columns of `p` (K, n), positive multiples of probabilities; `counts` (n,), or empty for ones."""
        ratio, hessian = np.zeros(len(p)), np.zeros((len(p), len(p)))
        logp = kernels._em_sums(p, counts, weights, ratio)
        if curvature:
            kernels._curvature_sums(p, counts, weights, hessian)
        return Sums(logp, ratio, hessian)

    @staticmethod
    def total(parts: Iterable[Sums]) -> Sums:
        """The sum of sums, in their order."""
        return reduce(lambda a, b: Sums(a.logp + b.logp, a.ratio + b.ratio, a.hessian + b.hessian), parts)


class Events(ABC):
    """Events of `members` models, `total` of them, counted as often as they occur."""

    members: int
    total: float

    @abstractmethod
    def sums(self, weights: np.ndarray, curvature: bool = False) -> Sums:
        """One pass over all events with `weights` (K,); `curvature` asks for the Hessian."""

    @abstractmethod
    def sample(self) -> Events | None:
        """Some of the events, on which a pass costs next to nothing; None where these are few anyhow."""


class MatrixEvents(Events):
    """The events of a matrix `logp` (T, K) of natural log-probabilities; −inf is allowed.

    `counts` (T,) says how often each row occurs (default: once); only the columns `members` are used (default: all).
    The matrix is read in each pass, but a small one is turned into probabilities once.

    Raises SettingError for a matrix or counts of the wrong shape, counts that are not positive and finite;
    ZeroEventError, in the first pass if the matrix is large, for a row without a finite value.
    """

    def __init__(
        self,
        logp: np.ndarray,
        counts: Sequence[float] | np.ndarray | None = None,
        members: Sequence[int] | np.ndarray | None = None,
        threads: int | None = None,
    ) -> None:
        self.logp = np.asarray(logp, np.float64)
        if self.logp.ndim != 2 or 0 in self.logp.shape:
            raise SettingError(f"the matrix has shape {self.logp.shape}; it must be (events, models), both at least 1")
        self.counts = _NO_COUNTS if counts is None else _checked_counts(counts, len(self.logp))
        self.total = float(self.counts.sum()) if counts is not None else len(self.logp)
        self.columns = np.arange(self.logp.shape[1]) if members is None else np.asarray(members, np.int64)
        self.members = len(self.columns)
        self.threads = threads
        self.pieces = cut(len(self.logp), max(1, PIECE_NUMBERS // self.members))
        self._sample_events = min(SAMPLE_EVENTS, SAMPLE_NUMBERS // self.members)
        large = len(self.logp) > 4 * self._sample_events
        self._kept = None if large else thread_map(self._relative, self.pieces, threads)

    def sums(self, weights: np.ndarray, curvature: bool = False) -> Sums:
        """See `Events`."""
        work = partial(self._piece_sums, weights, curvature)
        return Sums.total(thread_map(work, range(len(self.pieces)), self.threads))

    def sample(self) -> MatrixEvents | None:
        """One row at random of each of many equal stretches; the same ones every time."""
        if self._kept is not None:
            return None
        stretch = len(self.logp) / self._sample_events
        places = np.arange(self._sample_events) + np.random.default_rng(0).random(self._sample_events)
        rows = (places * stretch).astype(np.int64)
        counts = self.counts[rows] if self.counts.size else None
        try:
            return MatrixEvents(self.logp[rows], counts, self.columns, self.threads)
        except ZeroEventError as error:
            row = int(rows[error.row])
            raise ZeroEventError(row, self._numbers(row, row + 1)[:, 0]) from None

    def log_likelihoods(self, weights: np.ndarray) -> np.ndarray:
        """(M,) Σ_t c_t ln p of each row of `weights` (M, K), in one pass; −inf where an event has probability 0."""
        work = partial(self._piece_likelihoods, weights)
        return np.sum(thread_map(work, range(len(self.pieces)), self.threads), axis=0)

    def _piece_likelihoods(self, weights: np.ndarray, piece: int) -> np.ndarray:
        p, shift, counts = self._piece(piece)
        with np.errstate(divide="ignore"):
            logp = np.log(weights @ p)
        return shift + (logp @ counts if counts.size else logp.sum(axis=1))

    def _piece_sums(self, weights: np.ndarray, curvature: bool, piece: int) -> Sums:
        p, shift, counts = self._piece(piece)
        sums = Sums.of(p, counts, weights, curvature)
        return Sums(sums.logp + shift, sums.ratio, sums.hessian)

    def _piece(self, piece: int) -> tuple[np.ndarray, float, np.ndarray]:
        """What `_relative` gives, and the counts."""
        p, shift = self._kept[piece] if self._kept is not None else self._relative(self.pieces[piece])
        return p, shift, self.counts[slice(*self.pieces[piece])] if self.counts.size else self.counts

    def _relative(self, piece: tuple[int, int]) -> tuple[np.ndarray, float]:
        """((K, n) probabilities relative to those of the likeliest member, Σ_t c_t ln of the latter)."""
        p = self._numbers(*piece)
        shift = p.max(axis=0)
        bad = ~np.isfinite(shift)
        if bad.any():
            first = int(bad.argmax())
            raise ZeroEventError(piece[0] + first, p[:, first])
        p -= shift
        np.exp(p, out=p)
        return p, float(shift @ self.counts[slice(*piece)] if self.counts.size else shift.sum())

    def _numbers(self, lo: int, hi: int) -> np.ndarray:
        """(K, hi − lo) the rows lo…hi of the matrix in an array of their own, members first."""
        return np.array(self.logp[lo:hi].T[self.columns], order="C")


def _checked_counts(counts: Sequence[float] | np.ndarray, events: int) -> np.ndarray:
    values = np.array(counts, np.float64)
    if values.shape != (events,):
        raise SettingError(f"counts have shape {values.shape}; there must be one for each of {events} events")
    bad = ~((values > 0) & np.isfinite(values))
    if bad.any():
        row = int(bad.argmax())
        raise SettingError(f"event {row} occurs {values[row]:g} times; counts must be positive and finite")
    return values
