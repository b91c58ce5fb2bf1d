"""Weights and a rule to decide by that are found together, and what they are worth on utterances not tuned on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lmmix.metrics.metric import Metric, loss
from lmmix.nbest.decide.decision import DecisionSettings, decide, loss_like
from lmmix.nbest.decide.temperature import LIST_RULES, find_temperature
from lmmix.nbest.evaluation import Gain, chosen_statistics
from lmmix.nbest.features import OOV
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.tuning.ablation import without
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem, tuning_problem
from lmmix.nbest.tuning.tune import TuneSettings, limits_of, tune_weights

logger = logging.getLogger("lmmix")


@dataclass(frozen=True)
class Tuned:
    """What tuning saw, and what it found.

    Attributes
    ----------
    lists : NbestLists
    problem : TuningProblem
    settings : TuneSettings
    result : TuneResult
        Of the highest sums.
    decision : DecisionSettings
        With nothing left open that the rule needs.
    loss : float
        Of what the decision chooses from the lists.
    held_out : Gain, optional
        What is chosen by the same rule with weights, and a temperature, found on the lists of other folds.
    """

    lists: NbestLists
    problem: TuningProblem
    settings: TuneSettings
    result: TuneResult
    decision: DecisionSettings
    loss: float
    held_out: Gain | None

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each feature."""
        return dict(zip(self.problem.names, map(float, self.result.weights)))

    def highest_sum(self) -> float:
        """The value of the metric for the highest sums."""
        return self._value(self.result.loss)

    def without(self) -> dict[str, float]:
        """The value of the metric for the highest sums when weights are tuned without each feature."""
        names = enumerate(self.problem.names)
        return {name: self._value(without(self.problem, k, self.settings)) for k, name in names}

    def record(self) -> dict[str, Any]:
        """What the weights were found on, and how well they did (see `Weights.tuning`)."""
        metric = self.problem.metric
        return {
            "utterances": len(self.lists),
            "metric": metric.name,
            "signature": metric.signature,
            "normalise": list(metric.normaliser.steps),
            "method": self.settings.method,
            "value": self._value(self.loss),
            **({"cross_validated": self.held_out.value} if self.held_out else {}),
        }

    def _value(self, loss: float) -> float:
        return -loss if self.problem.metric.higher_is_better else loss


def tuned(lists: NbestLists, metric: Metric, settings: TuneSettings, decision: DecisionSettings) -> Tuned:
    """Find weights for the features of `lists`, which need references, and what `decision` leaves open.

    Minimum Bayes risk expects the loss of the metric if it can; rules with posteriors get the temperature that suits
    them best. Raises InputError, SettingError.
    """
    lists.check_references()
    names = names_to_weigh(lists, settings)
    problem = tuning_problem(lists, names, metric, limits_of(names, settings))
    found = tune_weights(problem, settings)
    decision = _with_loss(decision, metric)
    settled, least = _settled(lists, dict(zip(names, found.weights)), metric, decision)
    held_out = None
    if found.held_out is not None:
        chosen = found.held_out if decision.rule == "best" else _decided_in_folds(lists, problem, found, decision)
        held_out = Gain(metric, lists.statistics(metric)[lists.offsets[:-1]], chosen)
    return Tuned(lists, problem, settings, found, settled, least, held_out)


def names_to_weigh(lists: NbestLists, settings: TuneSettings) -> list[str]:
    """All features, but of equal numbers of OOVs one, and none where there are no OOVs.

    Those that `settings` fix or bound stay.
    """
    limited = {*settings.fixed, *settings.bounds}
    kinds = Counter(name.partition(":")[0] for name in lists.features)
    names = []
    kept: list[np.ndarray] = []
    for name, values in lists.features.items():
        kind = name.partition(":")[0]
        if name.startswith(OOV) and name not in limited and not (kind in limited and kinds[kind] == 1):
            if not values.any() or any(np.array_equal(values, other) for other in kept):
                continue
            kept.append(values)
        names.append(name)
    return names


def _with_loss(decision: DecisionSettings, metric: Metric) -> DecisionSettings:
    """The decision with the loss of the metric, or of one like it, unless it has one; a warning where it is another."""
    if decision.loss is not None:
        return decision
    like = loss_like(metric.name)
    if decision.rule == "mbr" and (like is None or ":" in metric.name):
        logger.warning(
            "minimum Bayes risk expects no %s; it expects the least %s (--risk takes another one)",
            metric.name,
            like or "wer",
        )
    return replace(decision, loss=like)


def _settled(
    lists: NbestLists, weights: Mapping[str, float], metric: Metric, decision: DecisionSettings
) -> tuple[DecisionSettings, float]:
    """The decision with a temperature if it needs one, and the loss of what it chooses."""
    total = lists.totals(weights)
    if decision.rule in LIST_RULES and decision.temperature is None:
        temperature, least = find_temperature(lists, total, metric, decision)
        return replace(decision, temperature=temperature), least
    chosen = chosen_statistics(lists, metric, decide(lists, total, decision))
    return decision, float(loss(metric, chosen.sum(axis=0)))


def _decided_in_folds(
    lists: NbestLists, problem: TuningProblem, found: TuneResult, decision: DecisionSettings
) -> np.ndarray:
    """(U, k) statistics of what is chosen in each fold with weights and a temperature found on the others."""
    assert found.fold_weights is not None
    fold = np.arange(len(lists)) % len(found.fold_weights)
    statistics = np.empty((len(lists), problem.statistics.shape[1]))
    for k, row in enumerate(found.fold_weights):
        weights = dict(zip(problem.names, row))
        others, own = (lists.part(np.flatnonzero(side)) for side in (fold != k, fold == k))
        settled, _ = _settled(others, weights, problem.metric, decision)
        decided = decide(own, own.totals(weights), settled)
        statistics[fold == k] = chosen_statistics(own, problem.metric, decided)
    return statistics
