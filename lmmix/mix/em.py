"""Weights of a linear mixture by expectation maximisation, with a certificate of how good they are.

Dempster, Laird & Rubin (1977); the steps are lengthened by squared extrapolation (Varadhan & Roland 2008, scheme
S3), which keeps the likelihood from falling and needs far fewer passes where members are alike. Where EM crawls all
the same, on members that are nearly the same and of which some die out, Newton's method (`lmmix.mix.newton`) finishes.

Of a large matrix, most passes are over a sample of its rows. A pass over everything then gives the true gradient,
and the weights are found again on the sample, with a linear term that makes its gradient the true one there (Shamir,
Srebro & Zhang 2014). What is left of the gap falls by the sample's error each time, so a few passes over everything
are enough; where they do not help, EM goes on without the sample. The certificate is always that of all events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lmmix.mix.events import MatrixEvents
from lmmix.mix.goal import Climb, Goal, Point, WeightsFit, check_tolerance, goal_for, start_weights
from lmmix.mix.newton import newton

SAMPLE_GAP = 1e-4
"""The gap on the sample alone: smaller ones would be lost in its error."""

SAMPLE_PASSES = 2000
PATIENCE = 10
"""Passes a member after which Newton's method is tried; each of its passes costs about half as many of EM."""

LEAST_PART = 0.01
"""What a leap leaves of a weight at least: a weight of 0 would never grow again."""


def fit_em(
    logp: np.ndarray,
    *,
    counts: Sequence[float] | np.ndarray | None = None,
    prior: float | Sequence[float] | np.ndarray = 1.0,
    tolerance: float = 1e-6,
    max_iterations: int = 10_000,
    start: Sequence[float] | np.ndarray | None = None,
    threads: int | None = None,
) -> WeightsFit:
    """The weights that give K models together the highest likelihood of T events.

    Parameters
    ----------
    logp : (T, K) float64
        Natural log-probability of each event under each model; −inf is allowed.
    counts : (T,) positive numbers, optional
        How often each event occurs, or how much it matters; once by default.
    prior : number, or K numbers, from 1
        Parameters α of a Dirichlet prior; the weights maximise likelihood · Π w_k^(α_k − 1). 1 is none; with α large,
        the weights become (α_k − 1) / Σ (α_j − 1).
    tolerance : float
        Stop when the certificate (nats per event) is at most this.
    max_iterations : int
        Passes over the matrix after which to stop all the same, with a logged warning.
    start : K positive numbers, optional
        First weights; equal ones by default.
    threads : int, optional
        The result does not depend on it.

    Raises SettingError for a matrix or counts of the wrong shape, bad counts, prior or start weights; ZeroEventError
    for a row without a finite value.
    """
    goal = goal_for(MatrixEvents(logp, counts, threads=threads), prior)
    return maximise(goal, tolerance=tolerance, max_iterations=max_iterations, start=start)


def maximise(
    goal: Goal, *, tolerance: float, max_iterations: int, start: Sequence[float] | np.ndarray | None = None
) -> WeightsFit:
    """The weights of the highest `goal`, to a gap of `tolerance`. Raises SettingError for bad settings."""
    check_tolerance(tolerance)
    sample = goal.events.sample()
    if sample is None:
        climb = Climb(goal, goal.at(start_weights(start, goal)))
    else:
        rough = replace(goal, events=sample)
        weights = _on_sample(rough, start_weights(start, goal), max(tolerance, SAMPLE_GAP))
        climb = Climb(goal, goal.at(weights))
        _correct(rough, climb, tolerance, max_iterations)
    _em(climb, tolerance, max_iterations)
    return climb.report(tolerance)


def _correct(rough: Goal, climb: Climb, tolerance: float, max_passes: int) -> None:
    """Find the weights on the sample `rough` and make its gradient that of all events, as long as it helps."""
    helps = True
    while helps and climb.best.gap > tolerance and climb.passes < max_passes:
        now = climb.best
        slope = now.gradient - rough.at(now.weights).gradient
        corrected = replace(rough, slope=slope - slope.min())
        tried = climb.at(_on_sample(corrected, now.weights, max(tolerance, now.gap / 50)))
        helps = tried.gap < now.gap / 2 and tried.value > now.value
        if tried.value > now.value:
            climb.keep(tried)


def _on_sample(goal: Goal, start: np.ndarray, tolerance: float) -> np.ndarray:
    """The best weights for a sample, none of which has died out that was there at the start."""
    climb = Climb(goal, goal.at(start))
    _em(climb, tolerance / 2, SAMPLE_PASSES)
    # What the sample has no use for may be needed elsewhere. So small a share costs less than the tolerance.
    share = tolerance / 10
    return (1 - share) * climb.best.weights + share * start


def _em(climb: Climb, tolerance: float, max_passes: int) -> None:
    """Cycles of EM; where they take long, Newton's method first, which pays where EM crawls."""
    patience = climb.passes + PATIENCE * climb.goal.events.members
    while climb.best.gap > tolerance and climb.passes < max_passes:
        if climb.passes > patience:
            newton(climb, tolerance, max_passes)
            patience = max_passes
        else:
            climb.keep(_cycle(climb))


def _cycle(climb: Climb) -> Point:
    """Two steps of EM, or a longer one in their direction if that is better than the first of them."""
    now = climb.best
    first = climb.at(now.em_step)
    second = first.em_step
    step = first.weights - now.weights
    bend = (second - first.weights) - step
    length = np.linalg.norm(step) / max(float(np.linalg.norm(bend)), 1e-300)
    if length > 1.0:
        leap = np.maximum(now.weights + 2.0 * length * step + length**2 * bend, LEAST_PART * first.weights)
        leapt = climb.at(leap / leap.sum())
        if leapt.value >= first.value:
            return leapt
    return climb.at(second)
