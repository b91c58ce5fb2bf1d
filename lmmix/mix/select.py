"""Which of many models a linear mixture needs: backward elimination of those that gain too little.

The gain of a member is what the mixture loses if the member is left out and the weights are found again. Bounds from
weights at hand save most of the searching: weights without some members, made to sum to 1, give at most the best
likelihood without them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.errors import SettingError
from lmmix.logmath import perplexity
from lmmix.mix.em import maximise
from lmmix.mix.events import MatrixEvents, ZeroEventError
from lmmix.mix.goal import WeightsFit, goal_for

START_SHARE = 1e-6
"""What is added to weights found before, so that none starts at 0."""

MAX_PASSES = 10_000
TRIED = 5
"""Models tried in a step, those with the smallest bounds, where one has to go whatever it gains."""


@dataclass(frozen=True)
class MemberGain:
    """What one model does for the mixture.

    Attributes
    ----------
    name : str
    weight : float
        In the mixture of the models that were kept; 0 for the others.
    ppl : float
        Perplexity of the model alone.
    gain : float
        Nats per event that are lost if the model is left out: of the mixture of all that were kept, or, if it was
        dropped, of the mixture before. inf if some event has no probability then. Exact but for the tolerance, except
        for models that were dropped several at once: theirs is at most so large.
    dropped : int or None
        The step at which it was dropped, from 1; None if it was kept.
    """

    name: str
    weight: float
    ppl: float
    gain: float
    dropped: int | None

    @property
    def gain_percent(self) -> float:
        """Growth of the perplexity without the model, in per cent."""
        return 100 * math.expm1(self.gain) if self.gain < 700 else math.inf


@dataclass(frozen=True)
class Selection:
    """Models that were kept, in `fit.weights`, and what was found on the way.

    Attributes
    ----------
    kept : list of int
        Columns of the matrix that were kept.
    fit : WeightsFit
        Weights of those.
    whole : WeightsFit
        Weights of all models.
    members : list of MemberGain
        All models, in their order.
    """

    kept: list[int]
    fit: WeightsFit
    whole: WeightsFit
    members: list[MemberGain]


def select_members(
    logp: np.ndarray,
    names: Sequence[str] | None = None,
    *,
    counts: Sequence[float] | np.ndarray | None = None,
    min_gain: float = 0.1,
    max_members: int | None = None,
    tolerance: float = 1e-6,
    threads: int | None = None,
) -> Selection:
    """Drop models one after the other until those that are left are worth it.

    First, as many as possible are dropped at once whose loss together is, certainly, below `min_gain`. Then, those come
    first whose weights look as if they were missed least. At the end, each gain of a model that is kept is known.

    Parameters
    ----------
    logp, counts, tolerance, threads
        As for `fit_em`.
    names : K strings, optional
        By default "model 1", "model 2", …
    min_gain : float
        Per cent of perplexity that a model has to gain to be kept.
    max_members : int, optional
        Keep at most so many, even if models that gain more have to go.

    Raises SettingError and ZeroEventError as `fit_em`; an event that only one model knows keeps that model, and more
    than `max_members` such models raise SettingError.
    """
    elimination = _Elimination(logp, counts, tolerance, threads)
    members = len(elimination.kept)
    names = list(names) if names is not None else [f"model {k + 1}" for k in range(members)]
    if len(names) != members:
        raise SettingError(f"{len(names)} names for {members} models")
    if not min_gain >= 0:
        raise SettingError(f"min_gain is {min_gain}; it must be 0 or more per cent of perplexity")
    if max_members is not None and max_members < 1:
        raise SettingError(f"max_members is {max_members}; it must be 1 or more")
    whole = elimination.fit
    elimination.run(math.log1p(min_gain / 100), members if max_members is None else max_members)
    weights = dict(zip(elimination.kept, elimination.fit.weights))
    alone = elimination.events(range(members)).log_likelihoods(np.eye(members))
    rows = [
        MemberGain(
            names[k], float(weights.get(k, 0.0)), perplexity(float(alone[k]), whole.events), elimination.gain[k],
            elimination.dropped.get(k),
        )
        for k in range(members)
    ]  # fmt: skip
    return Selection(elimination.kept, elimination.fit, whole, rows)


class _Elimination:
    """The models that are left, with the best weights of them; `gain` of all models as known so far."""

    def __init__(
        self,
        logp: np.ndarray,
        counts: Sequence[float] | np.ndarray | None,
        tolerance: float,
        threads: int | None,
    ) -> None:
        self.logp, self.counts, self.tolerance, self.threads = logp, counts, tolerance, threads
        events = MatrixEvents(logp, counts, threads=threads)
        self.kept = list(range(events.members))
        self.fit = maximise(goal_for(events), tolerance=tolerance, max_iterations=MAX_PASSES)
        self.gain: dict[int, float] = {}
        self.dropped: dict[int, int] = {}
        self.steps = 0

    def events(self, members: Sequence[int] | np.ndarray) -> MatrixEvents:
        """The events under some of the models."""
        return MatrixEvents(self.logp, self.counts, members, self.threads)

    def run(self, worth: float, most: int) -> None:
        """Drop until every gain is `worth` it (nats per event) and at most `most` models are left."""
        self._drop_together(worth)
        while len(self.kept) > 1:
            too_many = len(self.kept) > most
            found = self._cheapest(worth, too_many)
            if found is None and too_many:
                raise SettingError(
                    f"max_members is {most}, but {len(self.kept)} models know events that no other knows"
                )
            if found is None or not (too_many or self.gain[found[0]] < worth):
                return
            self._drop([found[0]], found[1])
        self.gain[self.kept[0]] = math.inf

    def _drop(self, gone: Sequence[int], fit: WeightsFit) -> None:
        self.steps += 1
        self.dropped.update(dict.fromkeys(gone, self.steps))
        self.kept = [k for k in self.kept if k not in gone]
        self.fit = fit

    def _drop_together(self, worth: float) -> None:
        """Drop the largest set, of those with the smallest bounds, that is not worth keeping as a whole."""
        bounds = self._bounds([[k] for k in self.kept])
        order = np.argsort(bounds, kind="stable").tolist()
        sets = [[self.kept[i] for i in order[:n]] for n in range(1, len(order))]
        cheap = [gone for gone, bound in zip(sets, self._bounds(sets)) if bound < worth] if sets else []
        if not cheap:
            return
        gone = cheap[-1]
        fit = self._without(gone)
        if fit is not None:
            self.gain.update((self.kept[i], max(0.0, float(bounds[i]))) for i in order[: len(gone)])
            self._drop(gone, fit)

    def _bounds(self, sets: Sequence[Sequence[int]]) -> np.ndarray:
        """(len(sets),) what leaving out each set costs at most, nats per event; inf if it may cost everything."""
        weights = np.array([np.where(np.isin(self.kept, gone), 0.0, self.fit.weights) for gone in sets])
        with np.errstate(invalid="ignore"):
            found = self.events(self.kept).log_likelihoods(weights / weights.sum(axis=1, keepdims=True))
        found[np.isnan(found)] = -np.inf
        return (self.fit.logp - found) / self.fit.events + self.fit.gap

    def _cheapest(self, worth: float, too_many: bool) -> tuple[int, WeightsFit] | None:
        """A model to drop next, with the best weights without it; None if all are indispensable.

        In the order of the bounds, the first one that is not `worth` it; with `too_many`, the best of a few; else the
        best of all.
        """
        bounds = self._bounds([[k] for k in self.kept])
        best: tuple[int, WeightsFit] | None = None
        for tried, i in enumerate(np.argsort(bounds, kind="stable"), start=1):
            k = self.kept[i]
            fit = self._without([k])
            self.gain[k] = math.inf if fit is None else max(0.0, (self.fit.logp - fit.logp) / self.fit.events)
            if fit is not None and (best is None or self.gain[k] < self.gain[best[0]]):
                best = k, fit
            if self.gain[k] < worth or (too_many and best is not None and tried >= TRIED):
                break
        return best

    def _without(self, gone: Sequence[int]) -> WeightsFit | None:
        """The best weights of the others, None if they give an event no probability."""
        stay = ~np.isin(self.kept, gone)
        try:
            events = self.events(np.array(self.kept)[stay])
            start = self.fit.weights[stay] + START_SHARE
            return maximise(goal_for(events), tolerance=self.tolerance, max_iterations=MAX_PASSES, start=start)
        except ZeroEventError:
            return None
