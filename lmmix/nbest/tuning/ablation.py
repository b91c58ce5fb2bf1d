"""What a feature is worth: the loss of tuning without it."""

from __future__ import annotations

from dataclasses import replace

from lmmix.nbest.tuning.problem import Limits, TuningProblem
from lmmix.nbest.tuning.tune import TuneSettings, find_weights


def without(problem: TuningProblem, feature: int, settings: TuneSettings) -> float:
    """The loss of weights found with weight 0 for one feature (its number), whatever its limits.

    They are found by the method of `settings`, as all weights were, but from one start and without folds: so the
    difference from the loss of `tune_weights` is what the feature brings, not what another method would.
    """
    lower, upper = problem.limits.lower.copy(), problem.limits.upper.copy()
    lower[feature] = upper[feature] = 0.0
    return find_weights(replace(problem, limits=Limits(lower, upper)), replace(settings, restarts=0)).loss
