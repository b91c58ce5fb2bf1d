"""How far a value may be chance: bootstrap intervals, and tests whether one system is better than another.

The formulas and the draws are those of sacrebleu (Koehn 2004 for the bootstrap, Riezler & Maxwell 2005 for approximate
randomisation), so the same seed gives the same p-values, with one difference: chance that makes exactly the difference
which was found speaks against the system, too. Error rates are often equal, and a system is not better than itself.
All of it works on the statistics of single sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.checks import check_seed
from lmmix.errors import InputError, SettingError
from lmmix.metrics.metric import Metric

LEVEL = 0.95
"""Part of the samples inside an interval."""

SAMPLES, TRIALS = 1000, 10_000
"""Texts drawn for a bootstrap, and exchanges for a randomisation, by default."""

SAME_DIFFERENCE = 1e-9
"""Relative difference of differences that is taken for a rounding error."""

_PIECE = 1 << 21
"""Numbers drawn at a time."""


@dataclass(frozen=True)
class Interval:
    """A value of a metric, and between which two values 95 % of the samples lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison(Interval):
    """The value of a system minus that of the baseline, and how probable so large a difference is by chance."""

    p: float


@dataclass(frozen=True)
class Resampled:
    """The values of a metric for S systems on the same resampled sentences.

    Attributes
    ----------
    found : (S,) float64
        The values on the sentences as they are.
    drawn : (S, samples) float64
        The values on each sample; nan for samples without a value, as of empty references only.
    sentences : int
    """

    found: np.ndarray
    drawn: np.ndarray
    sentences: int

    def interval(self, system: int = 0) -> Interval:
        """The value of a system (its number), and its interval. Samples without a value are passed over."""
        return Interval(float(self.found[system]), *_ends(self.drawn[system]))

    def comparison(self, baseline: int = 0, system: int = 1) -> Comparison:
        """The value of a system minus that of a baseline, with a two-sided p-value.

        The p-value is nan for one sentence, of which all samples are the same.
        """
        value = float(self.found[system] - self.found[baseline])
        differences = self.drawn[system] - self.drawn[baseline]
        distances = np.abs(differences[~np.isnan(differences)])
        centred = distances - (distances.mean() if len(distances) else 0.0)
        p = _p_value(centred, value) if self.sentences > 1 else float("nan")
        return Comparison(value, *_ends(differences), p)


def resampled(metric: Metric, systems: Sequence[np.ndarray], samples: int = SAMPLES, seed: int = 1) -> Resampled:
    """Values of systems, each with statistics (n, k), on texts of n sentences drawn from these with replacement.

    Raises InputError without sentences or if there are not as many of each system, SettingError.
    """
    _check(systems, samples, seed)
    found = np.array([float(metric.value(one.sum(axis=0))) for one in systems])
    n, k = systems[0].shape
    together = np.concatenate(systems, axis=1)
    rng = np.random.default_rng(seed)
    drawn = []
    for count in _pieces(samples, n, 1):
        rows = rng.integers(0, n, (count, n))
        times = np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)
        drawn.append(metric.value((times @ together).reshape(count, len(systems), k)).T)
    return Resampled(found, np.concatenate(drawn, axis=1), n)


def confidence_interval(metric: Metric, statistics: np.ndarray, samples: int = SAMPLES, seed: int = 1) -> Interval:
    """The value of statistics (n, k), and its interval under resampling of sentences (see `resampled`)."""
    return resampled(metric, [statistics], samples, seed).interval()


def paired_bootstrap(
    metric: Metric, baseline: np.ndarray, system: np.ndarray, samples: int = SAMPLES, seed: int = 1
) -> Comparison:
    """The difference of two systems (n, k) on the same resampled sentences (see `resampled`)."""
    return resampled(metric, [baseline, system], samples, seed).comparison()


def paired_randomisation(
    metric: Metric, baseline: np.ndarray, system: np.ndarray, trials: int = TRIALS, seed: int = 1
) -> float:
    """The two-sided p-value of the difference of two systems (n, k), whose outputs are exchanged at random."""
    _check([baseline, system], trials, seed)
    rng = np.random.default_rng(seed)
    both = baseline.sum(axis=0) + system.sum(axis=0)
    distances = []
    # Numbers of exchanges are multiples of 32: so many bits are drawn together.
    for count in _pieces(trials, len(baseline), 32):
        kept = rng.integers(0, 2, (count, len(baseline)), dtype=bool)
        sums = system.sum(axis=0) + kept @ (baseline - system)
        distances.append(np.abs(metric.value(sums) - metric.value(both - sums)))
    value = float(metric.value(system.sum(axis=0)) - metric.value(baseline.sum(axis=0)))
    return _p_value(np.concatenate(distances), value)


def _check(systems: Sequence[np.ndarray], samples: int, seed: int) -> None:
    n = len(systems[0])
    if not n:
        raise InputError("there are no sentences to draw from")
    if any(len(statistics) != n for statistics in systems):
        sizes = ", ".join(str(len(one)) for one in systems)
        raise InputError(f"the systems have {sizes} sentences; they must be the same ones")
    if samples < 1:
        raise SettingError(f"samples is {samples}; it must be 1 or more")
    check_seed(seed)


def _pieces(total: int, width: int, multiple: int) -> Iterator[int]:
    """Numbers of rows of `width` that make up `total`, each a multiple but the last."""
    step = max(1, _PIECE // (width * multiple)) * multiple
    for done in range(0, total, step):
        yield min(step, total - done)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """What is left when the same number of values goes below and above."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return float("nan"), float("nan")
    cut = int(len(known) * (1.0 - LEVEL) / 2.0 + 1e-9)
    return float(known[cut]), float(known[-1 - cut])


def _p_value(distances: np.ndarray, value: float) -> float:
    """How often chance makes a difference as large as `value`; never 0 (Noreen 1989)."""
    known = distances[~np.isnan(distances)]
    if np.isnan(value):
        return float("nan")
    # Differences that are equal but for rounding count as equal.
    return (int((known >= abs(value) * (1.0 - SAME_DIFFERENCE)).sum()) + 1) / (len(known) + 1)
