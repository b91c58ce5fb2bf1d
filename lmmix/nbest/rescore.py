"""Rescoring n-best lists: recogniser scores, language models and counts, weighted and summed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.metrics.metric import METRICS, Metric, make_metric
from lmmix.metrics.normalise import Normaliser
from lmmix.nbest.changes import Changes
from lmmix.nbest.decide.decision import Decision, DecisionSettings, decide
from lmmix.nbest.decide.temperature import LIST_RULES, find_temperature
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
    check_counts,
)
from lmmix.nbest.left_out import LeftOut
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.plot import plot_surface
from lmmix.nbest.report import RescoreReport
from lmmix.nbest.tuning.ablation import without
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem, tuning_problem
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
        What to measure. The first is also that of tuning, of changes and of what features are worth.
    threads : int, optional
        Of the language models; default: all cores.
    changes : int
        How many utterances to keep that gained most, and that lost most.
    must_measure : bool
        Whether a list without reference is an error; else nothing is measured if there is one.
    """

    def __init__(
        self,
        models: Models,
        metrics: Sequence[Metric],
        threads: int | None = None,
        changes: int = 3,
        must_measure: bool = True,
    ) -> None:
        self.models, self.threads = models, threads
        self._started = time.perf_counter()
        self._tuned: _Tuned | None = None
        self._coverage = {LM + name: LmCoverage() for name in models}
        self._utterances = self._hypotheses = 0
        self.metrics, self.must_measure = metrics, must_measure
        self._evaluations = [Evaluation(metric) for metric in self.metrics]
        self._changes = Changes(self.metrics[0], changes)
        self._left_out = LeftOut(self.metrics[0])

    @property
    def feature_names(self) -> list[str]:
        """The features of all models."""
        return [kind + name for name in self.models for kind in (LM, OOV)]

    def add_features(self, lists: NbestLists, counts: Sequence[str], normalise: Sequence[str] = ()) -> None:
        """Add the features of all models, and `counts` (``words``, ``chars``, ``rank``).

        They are those of the texts rewritten by the steps `normalise` (see `metrics.normalise.STEPS`).
        """
        check_counts(counts)
        texts = list(map(Normaliser(normalise), lists.texts)) if normalise else lists.texts
        for name, model in self.models.items():
            add = add_folded_lm_features if isinstance(model, Sequence) else add_lm_features
            self._coverage[LM + name] += add(lists, texts, model, name, self.threads)  # type: ignore[arg-type]
        add_counts(lists, texts, counts)

    def add_weighed_features(self, lists: NbestLists, weights: Weights) -> None:
        """Add the features that `weights` are for. Raises InputError for one that neither list nor models have."""
        for name in weights.values:
            kind, _, model = name.partition(":")
            if f"{kind}:" in (LM, OOV) and model not in self.models and name not in lists.features:
                raise InputError(f"there is a weight for {name!r}, but no such model: give --lm {model}=MODEL")
        counts = tuple(name for name in (*COUNTS, RANK) if name in weights.values)
        self.add_features(lists, counts, weights.normalise)

    def tune(
        self,
        lists: NbestLists,
        settings: TuneSettings,
        decision: DecisionSettings | None = None,
        temperature: bool = True,
    ) -> Weights:
        """Find weights for all features of `lists`, which have them already and need references.

        The first metric is the one to tune for. Minimum Bayes risk then expects that loss, if it can, and a rule with
        posteriors gets the `temperature` that suits it best unless told not to. Raises InputError, SettingError.
        """
        metric, decision = self.metrics[0], decision or DecisionSettings()
        names = _names_to_weigh(lists)
        problem = tuning_problem(lists, names, metric, limits_of(names, settings))
        found = tune_weights(problem, settings)
        values = dict(zip(names, map(float, found.weights)))
        decision = decision.for_metric(metric)
        if decision.rule in LIST_RULES and temperature:
            total = lists.matrix(names) @ found.weights
            decision = replace(decision, temperature=find_temperature(lists, total, metric, decision)[0])
        self._tuned = _Tuned(problem, found, settings)
        tuning = {
            "utterances": len(lists),
            "metric": metric.name,
            "signature": metric.signature,
            "method": settings.method,
            "loss": found.loss,
        }
        return Weights(values, decision=decision, tuning=tuning)

    def apply(self, lists: NbestLists, weights: Weights) -> RescoredLists:
        """Sum the features of `lists`, which have them already, choose, and measure. Raises InputError."""
        total = lists.matrix(list(weights.values)) @ np.array(list(weights.values.values()))
        decision = decide(lists, total, weights.decision)
        self._utterances += len(lists)
        self._hypotheses += len(lists.texts)
        if self.must_measure:
            lists.check_references()
        elif not lists.has_references:
            self._evaluations = []
        if self._evaluations:
            self._measure(lists, weights, total, decision)
        return RescoredLists(lists, total, decision)

    def _measure(self, lists: NbestLists, weights: Weights, total: np.ndarray, decision: Decision) -> None:
        (first, chosen), *_ = [evaluation.add(lists, decision) for evaluation in self._evaluations]
        self._changes.add(lists, decision, first, chosen)
        self._left_out.add(lists, weights, total)

    def _without(self) -> dict[str, float]:
        """What the first metric would be without each feature: tuned anew if weights were, else with its weight 0."""
        if self._tuned is None:
            return self._left_out.values() if self._evaluations else {}
        problem, settings = self._tuned.problem, self._tuned.settings
        sign = -1.0 if problem.metric.higher_is_better else 1.0
        return {name: sign * without(problem, k, settings) for k, name in enumerate(problem.names)}

    def draw(self, path: PathLike, features: Sequence[str] = ()) -> None:
        """A picture of the metric over two weights around those that were found, by default the heaviest ones.

        Raises SettingError for a format of pictures that is not known, MissingDependencyError.
        """
        assert self._tuned is not None
        plot_surface(self._tuned.problem, self._tuned.result.weights, features, path)

    def report(self, weights: Weights) -> RescoreReport:
        """What was done so far."""
        return RescoreReport(
            utterances=self._utterances,
            hypotheses=self._hypotheses,
            weights=weights,
            tuned=self._tuned is not None,
            held_out=self._tuned.result.held_out if self._tuned else None,
            scores={evaluation.metric.name: evaluation.scores() for evaluation in self._evaluations},
            without=self._without(),
            better=self._changes.better if self._evaluations else [],
            worse=self._changes.worse if self._evaluations else [],
            coverage=self._coverage,
            seconds=time.perf_counter() - self._started,
        )


@dataclass(frozen=True)
class _Tuned:
    """What tuning saw, and what it found."""

    problem: TuningProblem
    result: TuneResult
    settings: TuneSettings


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


def rescore(
    lists: NbestLists,
    models: Models,
    *,
    weights: Weights | Mapping[str, float] | None = None,
    tune: TuneSettings | str | None = None,
    metrics: Sequence[str] = (),
    counts: Sequence[str] | None = None,
    normalise: Sequence[str] = (),
    lm_normalise: Sequence[str] = (),
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
    counts : sequence of names, optional
        Counts to weigh (see `features.COUNTS`), for tuning; by default `counts_by_default`.
    normalise, lm_normalise : sequences of names
        How texts are rewritten before they are compared, and before models read them (see `metrics.normalise.STEPS`);
        given weights know the latter.
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
    lists = copy.copy(lists)
    lists.features = dict(lists.features)
    measured = [make_metric(name, Normaliser(normalise)) for name in names or METRICS[:1]]
    run = Rescoring(models, measured, threads, must_measure=bool(names))
    if settings is not None:
        lists.check_references()
        run.add_features(lists, counts_by_default(lists) if counts is None else counts, lm_normalise)
        weights = replace(run.tune(lists, settings, decision), normalise=tuple(lm_normalise))
    else:
        weights = weights if isinstance(weights, Weights) else Weights(dict(weights or {}))
        weights = replace(weights, decision=decision or weights.decision)
        run.add_weighed_features(lists, weights)
    rescored = run.apply(lists, weights)
    return rescored, run.report(weights)
