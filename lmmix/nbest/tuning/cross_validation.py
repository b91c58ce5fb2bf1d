"""How well weights do on lists that they were not found on: cross-validation by utterance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.nbest.tuning.problem import TuningProblem


def cross_validated(
    problem: TuningProblem, folds: int, find: Callable[[TuningProblem], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Find weights on all folds but one, choose with them in that one, for each of K folds.

    Utterance u is of fold u modulo K, as in `add_folded_lm_features`.

    Parameters
    ----------
    problem : TuningProblem
    folds : int
        K, 2 up to the number of utterances, which leaves out one at a time.
    find : function
        Weights (F,) for a problem.

    Returns (statistics of the hypotheses that were chosen (U, k); weights of each fold (K, F)). Raises SettingError,
    InputError if the metric has no value without one of the folds.
    """
    lists = len(problem.offsets) - 1
    if not 2 <= folds <= lists:
        raise SettingError(f"folds is {folds}; with {lists} utterances it must be 2 … {lists}, or 0 for none")
    fold = np.arange(lists) % folds
    statistics = np.empty((lists, problem.statistics.shape[1]))
    weights = np.empty((folds, len(problem.names)))
    for k in range(folds):
        others = problem.part(np.flatnonzero(fold != k))
        if not others.has_value:
            raise InputError(
                f"{problem.metric.name} has no value on the utterances outside of fold {k}: all their references are "
                "empty; take other folds or leave these utterances out"
            )
        weights[k] = find(others)
        left_out = problem.part(np.flatnonzero(fold == k))
        statistics[fold == k] = left_out.statistics[left_out.best(weights[k])]
    return statistics, weights
