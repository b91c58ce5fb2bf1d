"""Finding feature weights: the method by name, what weights may be, and how well it went."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.metrics.metric import METRICS
from lmmix.nbest.tuning.cross_validation import cross_validated
from lmmix.nbest.tuning.problem import Limits, TuneResult, TuningProblem, no_limits

logger = logging.getLogger("lmmix")

METHODS = {
    "mert": "lmmix.nbest.tuning.line_search:line_search",
    "expected": "lmmix.nbest.tuning.expected:expected",
    "pro": "lmmix.nbest.tuning.pro:pro",
    "mira": "lmmix.nbest.tuning.mira:mira",
}
"""Ways to find weights by name: functions of a problem, restarts and seed."""


@dataclass(frozen=True)
class TuneSettings:
    """How to find weights.

    Attributes
    ----------
    metric : str
        What to tune for (see `lmmix.metrics.metric.METRICS`).
    method : str
        See METHODS.
    folds : int
        Cross-validation by utterance: the loss is also measured on lists that were not tuned on; 0: do not.
    restarts : int
        Random starts.
    seed : int
    fixed : mapping of feature to float
        Weights that are known.
    bounds : mapping of feature to (float, float)
        The least and the largest weight.
    """

    metric: str = "wer"
    method: str = "expected"
    folds: int = 0
    restarts: int = 20
    seed: int = 1
    fixed: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingError(f"there is no way to tune called {self.method!r}; there are {', '.join(METHODS)}")
        if self.restarts < 0:
            raise SettingError(f"restarts is {self.restarts}; it must be 0 or more")
        if self.seed < 0:
            raise SettingError(f"seed is {self.seed}; it must be 0 or more")
        if self.folds < 0 or self.folds == 1:
            raise SettingError(f"folds is {self.folds}; it must be 0, or 2 or more")
        if self.metric.partition(":")[0] not in METRICS:
            raise SettingError(f"there is no metric {self.metric!r}; there are {', '.join(METRICS)}")
        for name, weight in self.fixed.items():
            if not math.isfinite(weight):
                raise SettingError(f"the fixed weight of {name!r} is {weight}; it must be a finite number")
        for name, (low, high) in self.bounds.items():
            if not (low <= high and low < math.inf and high > -math.inf):
                raise SettingError(
                    f"the bounds of {name!r} are {low} and {high}; they must be numbers, the first not above the second"
                )


def tune_weights(problem: TuningProblem, settings: TuneSettings) -> TuneResult:
    """Weights by the method of `settings`, cross-validated if it says so.

    Raises SettingError for more folds than utterances, InputError for lists on which the metric has no value, or the
    same whatever is chosen.
    """
    if not problem.has_value:
        raise InputError(f"{problem.metric.name} has no value on these lists: all references are empty")
    best, worst = problem.ends
    if best == worst:
        raise InputError(
            f"{problem.metric.name} is the same whatever is chosen from these lists: there is nothing to tune on"
        )
    found = find_weights(problem, settings)
    if not found.weights.any():
        logger.warning(
            "no weights that were found are better than the order of the lists, so all of them are 0; "
            "the rank in the list may be a feature of use (--counts rank)"
        )
    if not settings.folds:
        return found
    held_out, fold_weights = cross_validated(problem, settings.folds, lambda part: find_weights(part, settings).weights)
    return replace(found, held_out=held_out, fold_weights=fold_weights)


def find_weights(problem: TuningProblem, settings: TuneSettings) -> TuneResult:
    """Weights by the method of `settings`; all 0, which choose the first of each list, where these are better.

    Raises InputError for weights beyond what numbers can hold.
    """
    module, function = METHODS[settings.method].split(":")
    method: Callable[..., TuneResult] = getattr(import_module(module), function)
    found = method(problem, restarts=settings.restarts, seed=settings.seed)
    for name, weight in zip(problem.names, found.weights):
        if not math.isfinite(weight):
            raise InputError(f"the weight of {name!r} became {weight}: use units in which weights are nearer to 1")
    none = np.zeros(len(problem.names))
    if not np.array_equal(problem.limits.clipped(none), none):
        return found
    return min(found, TuneResult(none, problem.loss(none)), key=lambda result: result.loss)


def limits_of(names: Sequence[str], settings: TuneSettings) -> Limits:
    """What the weights of the features `names` may be.

    Raises SettingError for a feature that is not among them or that is limited twice.
    """
    limits = no_limits(len(names))
    said: dict[int, str] = {}
    for given, (low, high) in (*settings.bounds.items(), *((name, (w, w)) for name, w in settings.fixed.items())):
        k = names.index(feature_called(given, names))
        if k in said:
            raise SettingError(f"the weight of {names[k]!r} is fixed or bounded twice, as {said[k]!r} and as {given!r}")
        said[k] = given
        limits.lower[k], limits.upper[k] = low, high
    return limits


def feature_called(given: str, names: Sequence[str]) -> str:
    """The feature that is meant by `given`: its name, or what stands before a colon if one feature alone begins so.

    So `lm` is `lm:mix` where there is one language model. Raises SettingError.
    """
    if given in names:
        return given
    close = [name for name in names if name.partition(":")[0] == given]
    if len(close) == 1:
        return close[0]
    raise SettingError(f"there is no feature {given!r}; there are {', '.join(close or names)}")
