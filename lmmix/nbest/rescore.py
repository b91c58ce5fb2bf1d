"""Rescoring n-best lists: recogniser scores, language models and counts, weighted and summed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmmix.errors import SettingError
from lmmix.lm import LanguageModel
from lmmix.metrics.metric import Metric, make_metric
from lmmix.nbest.decide.decision import Decision, DecisionSettings, decide
from lmmix.nbest.evaluation import Evaluation
from lmmix.nbest.features import (
    COUNTS,
    LM,
    OOV,
    RANK,
    LmCoverage,
    add_counts,
    add_folded_lm_features,
    add_lm_features,
)
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.report import RescoreReport
from lmmix.nbest.tuning.problem import tuning_problem
from lmmix.nbest.tuning.tune import TuneSettings, limits_of, tune_weights
from lmmix.nbest.utterance import Rescored
from lmmix.nbest.weights import Weights

Models = Mapping[str, LanguageModel | Sequence[LanguageModel]]
"""Language models by name; several of one name are those of the folds, each for utterances that it does not know."""


@dataclass(frozen=True)
class RescoredLists:
    """A block of lists with all features, (H,) totals and what was chosen."""

    lists: NbestLists
    total: np.ndarray
    decision: Decision

    def utterances(self) -> Iterator[Rescored]:
        """What is written of each."""
        for u, utterance in enumerate(self.lists.utterances):
            lo, hi = int(self.lists.offsets[u]), int(self.lists.offsets[u + 1])
            best = int(self.decision.best[u])
            place = best - lo if best >= 0 else None
            yield Rescored(utterance, self.lists.added(u), self.total[lo:hi], place, self.decision.texts[u])


class Rescoring:
    """One run over n-best lists: finds weights if it is asked to, applies them to block after block, and reports.

    Parameters
    ----------
    models : Models
        Each gives the features ``lm:NAME`` and ``oov:NAME``.
    metrics : sequence of Metric
        What to measure where there are references.
    threads : int, optional
        Of the language models; default: all cores.
    """

    def __init__(self, models: Models, metrics: Sequence[Metric] = (), threads: int | None = None) -> None:
        self.models, self.metrics, self.threads = models, metrics, threads
        self._started = time.perf_counter()
        self._tuned = False
        self._coverage = {LM + name: LmCoverage() for name in models}
        self._evaluations = [Evaluation(metric) for metric in metrics]
        self._utterances = self._hypotheses = 0

    def add_features(self, lists: NbestLists, counts: Sequence[str]) -> None:
        """Add the features of all models, and `counts` (``words``, ``chars``, ``rank``)."""
        for name, model in self.models.items():
            if isinstance(model, Sequence):
                self._coverage[LM + name] += add_folded_lm_features(lists, model, name, self.threads)
            else:
                self._coverage[LM + name] += add_lm_features(lists, model, name, self.threads)
        add_counts(lists, counts)

    def tune(self, lists: NbestLists, settings: TuneSettings, decision: DecisionSettings) -> Weights:
        """Weights for all features of `lists`, which have them already and need references.

        The metric of `settings` is one of those that are measured. Raises InputError, SettingError.
        """
        metric = next(one for one in self.metrics if one.name == settings.metric)
        names = _names_to_weigh(lists)
        problem = tuning_problem(lists, names, metric, limits_of(names, settings))
        found = tune_weights(problem, settings)
        self._tuned = True
        values = dict(zip(names, map(float, found.weights)))
        tuning = {"utterances": len(lists), "metric": metric.signature, "method": settings.method, "loss": found.loss}
        if found.held_out is not None:
            tuning |= {"folds": settings.folds, "held_out": float(metric.value(found.held_out.sum(axis=0)))}
        return Weights(values, decision, tuning)

    def apply(self, lists: NbestLists, weights: Weights) -> RescoredLists:
        """Sum the features of `lists`, which have them already, choose, and count. Raises InputError."""
        total = lists.matrix(list(weights.values)) @ np.array(list(weights.values.values()))
        decision = decide(lists, total, weights.decision)
        self._utterances += len(lists)
        self._hypotheses += len(lists.texts)
        for evaluation in self._evaluations:
            evaluation.add(lists, decision)
        return RescoredLists(lists, total, decision)

    def report(self, weights: Weights) -> RescoreReport:
        """What was done so far."""
        return RescoreReport(
            utterances=self._utterances,
            hypotheses=self._hypotheses,
            weights=weights,
            tuned=self._tuned,
            scores={evaluation.metric.name: evaluation.scores() for evaluation in self._evaluations},
            coverage=self._coverage,
            seconds=time.perf_counter() - self._started,
        )


def _names_to_weigh(lists: NbestLists) -> list[str]:
    """All features, but of equal numbers of OOVs one, and none where there are no OOVs."""
    names = []
    kept: list[np.ndarray] = []
    for name, values in lists.features.items():
        if name.startswith(OOV):
            if not values.any() or any(np.array_equal(values, other) for other in kept):
                continue
            kept.append(values)
        names.append(name)
    return names


def counts_by_default(lists: NbestLists) -> tuple[str, ...]:
    """The counts that tuning weighs unless told otherwise: words, and the order of a list that has no scores."""
    return ("words",) if lists.features else ("words", RANK)


def counts_of(weights: Weights) -> tuple[str, ...]:
    """The counts that these weights need."""
    return tuple(name for name in (*COUNTS, RANK) if name in weights.values)


def rescore(
    lists: NbestLists,
    models: Models,
    *,
    weights: Weights | Mapping[str, float] | None = None,
    tune: TuneSettings | str | None = None,
    metrics: Sequence[str] = (),
    decision: DecisionSettings | None = None,
    threads: int | None = None,
) -> tuple[RescoredLists, RescoreReport]:
    """Give hypotheses more features and choose by their weighted sum; `lists` itself stays as it is.

    Features are the list's own scores, for each of `models` the log-probability of the hypothesis as
    ``lm:NAME`` and its OOVs as ``oov:NAME``, and counts.

    Parameters
    ----------
    lists : NbestLists
    models : Models
    weights : Weights, or mapping of feature to float, optional
        Given weights; features that it does not name do not count.
    tune : TuneSettings or name of a metric, optional
        Find weights on these lists, which need references.
    metrics : sequence of names
        What to measure besides what was tuned for; by default word error rate, if all utterances have references.
    decision : DecisionSettings, optional
        How to choose; by default as the weights say, or the highest sum.
    threads : int, optional

    Raises SettingError unless exactly one of `weights` and `tune` is given, InputError for missing references or
    features.
    """
    if (not weights) == (tune is None):
        raise SettingError("rescoring needs either weights (--weights FILE) or a goal to tune them to (--tune wer)")
    settings = TuneSettings(metric=tune) if isinstance(tune, str) else tune
    names = dict.fromkeys([*([settings.metric] if settings else []), *metrics])
    if not names and lists.has_references:
        names = {"wer": None}
    lists = copy.copy(lists)
    lists.features = dict(lists.features)
    run = Rescoring(models, [make_metric(name) for name in names], threads)
    if settings is not None:
        lists.check_references()
        run.add_features(lists, counts_by_default(lists))
        weights = run.tune(lists, settings, decision or DecisionSettings())
    else:
        weights = weights if isinstance(weights, Weights) else Weights(dict(weights or {}))
        weights = replace(weights, decision=decision or weights.decision)
        run.add_features(lists, counts_of(weights))
    rescored = run.apply(lists, weights)
    return rescored, run.report(weights)
