"""Rescoring n-best lists: recogniser scores, language models and counts, weighted and summed."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.metrics.metric import Metric, make_metric
from lmmix.metrics.normalise import Normaliser
from lmmix.nbest.changes import Changes
from lmmix.nbest.decide.decision import Decision, DecisionSettings, decide
from lmmix.nbest.decide.temperature import LIST_RULES
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
from lmmix.nbest.tuned import Tuned, tuned
from lmmix.nbest.tuning.tune import TuneSettings
from lmmix.nbest.utterance import Rescored
from lmmix.nbest.weights import Weights

logger = logging.getLogger("lmmix")

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
        Whether it is an error if metrics cannot measure, for want of references or because there are several; else
        nothing is measured then.

    Raises SettingError.
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
        self.metrics, self.must_measure = metrics, must_measure
        self._started = time.perf_counter()
        self._tuned: Tuned | None = None
        self._only_tuned_lists = True
        self._coverage = {LM + name: LmCoverage() for name in models}
        self._utterances = self._hypotheses = 0
        self._evaluations = [Evaluation(metric) for metric in self.metrics]
        self._unmeasured: str | None = None
        self._references = 0
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

    def tune(self, lists: NbestLists, settings: TuneSettings, decision: DecisionSettings | None = None) -> Weights:
        """Find weights for all features of `lists`, which have them already and need references.

        The first metric is the one to tune for. What `decision` leaves open is found, too (see `tuned`).
        Raises InputError, SettingError.
        """
        self._tuned = tuned(lists, self.metrics[0], settings, decision or DecisionSettings())
        return Weights(self._tuned.weights, decision=self._tuned.decision, tuning=self._tuned.record())

    def apply(self, lists: NbestLists, weights: Weights) -> RescoredLists:
        """Sum the features of `lists`, which have them already, choose, and measure. Raises InputError."""
        if not self._utterances and weights.decision.rule in LIST_RULES and weights.decision.temperature is None:
            logger.warning(
                "%s decides with posteriors of temperature 1, which need not suit these weights; tune with it "
                "(--tune … --decide %s), or say which (--temperature)",
                *[weights.decision.rule] * 2,
            )
        total = lists.totals(weights.values)
        decision = decide(lists, total, weights.decision)
        self._utterances += len(lists)
        self._hypotheses += len(lists.texts)
        self._only_tuned_lists &= self._tuned is not None and lists is self._tuned.lists
        if self._can_measure(lists):
            self._measure(lists, weights, total, decision)
        return RescoredLists(lists, total, decision)

    def _can_measure(self, lists: NbestLists) -> bool:
        """Whether all lists so far can be measured; raises InputError if they must."""
        if self._unmeasured is None:
            try:
                for metric in self.metrics:
                    lists.statistics(metric)
            except InputError as error:
                if self.must_measure:
                    raise
                self._unmeasured = str(error)
        self._references += sum(bool(one.refs) for one in lists.utterances)
        return self._unmeasured is None

    def _measure(self, lists: NbestLists, weights: Weights, total: np.ndarray, decision: Decision) -> None:
        (first, chosen), *_ = [evaluation.add(lists, decision) for evaluation in self._evaluations]
        self._changes.add(lists, decision, first, chosen)
        self._left_out.add(lists, weights, total)

    def draw(self, path: PathLike, features: Sequence[str] = ()) -> None:
        """A picture of the metric over two weights around those that were found, by default the heaviest ones.

        Raises SettingError for a format of pictures that is not known, MissingDependencyError.
        """
        if self._tuned is None:
            raise SettingError("a picture is of tuning; tune first")
        plot_surface(self._tuned.problem, self._tuned.result.weights, features, path)

    def report(self, weights: Weights) -> RescoreReport:
        """What was done so far."""
        measured = self._utterances > 0 and self._unmeasured is None
        if self._unmeasured is not None and self._references:
            how_many = f"{self._references} of {self._utterances}"
            logger.warning("nothing is measured, though %s utterances have references: %s", how_many, self._unmeasured)
        on_tuned = self._tuned if self._only_tuned_lists else None
        return RescoreReport(
            utterances=self._utterances,
            hypotheses=self._hypotheses,
            weights=weights,
            metric=self.metrics[0],
            tuned=on_tuned is not None,
            held_out=self._tuned.held_out if self._tuned else None,
            scores={one.metric.name: one.scores() for one in self._evaluations} if measured else {},
            highest_sum=on_tuned.highest_sum() if on_tuned else self._left_out.value() if measured else None,
            without=on_tuned.without() if on_tuned else self._left_out.values() if measured else {},
            better=self._changes.better if measured else [],
            worse=self._changes.worse if measured else [],
            coverage=self._coverage,
            seconds=time.perf_counter() - self._started,
        )


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
    normalise: Sequence[str] | None = None,
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
        What to measure besides what is tuned for; by default what the weights were tuned for, or word error rate, if
        references allow it.
    counts : sequence of names, optional
        Counts to weigh (see `features.COUNTS`), for tuning; by default `counts_by_default`.
    normalise : sequence of names, optional
        How texts are rewritten before they are compared (see `metrics.normalise.STEPS`); by default as when the weights
        were tuned, or not at all.
    lm_normalise : sequence of names
        How they are rewritten before models read them, for tuning; given weights know.
    decision : DecisionSettings, optional
        How to choose; by default as the weights say, or the highest sum.
    threads : int, optional

    Raises SettingError unless exactly one of `weights` and `tune` is given, InputError if there are no lists, for
    missing references or features.
    """
    if (not weights) == (tune is None):
        raise SettingError("rescoring needs either weights (--weights FILE) or a goal to tune them to (--tune wer)")
    if not len(lists):
        raise InputError("there are no n-best lists")
    settings = TuneSettings(metric=tune) if isinstance(tune, str) else tune
    given = None if settings else weights if isinstance(weights, Weights) else Weights(dict(weights or {}))
    measured = metrics_to_measure(metrics, settings, given, normalise)
    lists = copy.copy(lists)
    lists.features = dict(lists.features)
    run = Rescoring(models, measured, threads, must_measure=bool(settings or metrics))
    if settings is not None:
        lists.check_references()
        run.add_features(lists, counts_by_default(lists) if counts is None else counts, lm_normalise)
        found = replace(run.tune(lists, settings, decision), normalise=tuple(lm_normalise))
    else:
        assert given is not None
        found = replace(given, decision=decision or given.decision)
        run.add_weighed_features(lists, found)
    return run.apply(lists, found), run.report(found)


def metrics_to_measure(
    asked: Sequence[str], settings: TuneSettings | None, weights: Weights | None, normalise: Sequence[str] | None
) -> list[Metric]:
    """What to measure: what is tuned for, and what is asked for; if nothing, what `weights` were tuned for, or wer.

    Texts are rewritten by the steps `normalise`, by default as when `weights` were tuned. Raises SettingError,
    MissingDependencyError.
    """
    default, steps = (weights or Weights({})).tuned_for
    normaliser = Normaliser(steps if normalise is None else normalise)
    names = [*([settings.metric] if settings else []), *asked] or [default]
    return list({metric.name: metric for metric in (make_metric(name, normaliser) for name in names)}.values())
