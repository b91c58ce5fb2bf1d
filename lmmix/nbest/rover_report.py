"""What a vote of several systems did, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from lmmix.fileio import json_ready
from lmmix.metrics.metric import Metric, loss
from lmmix.metrics.significance import Comparison
from lmmix.nbest.decide.decision import Decision
from lmmix.nbest.evaluation import Evaluation, Gain, Scores
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.rescore import RescoredLists
from lmmix.nbest.system import System
from lmmix.vocab import words_of


@dataclass(frozen=True)
class RoverReport:
    """What a vote did.

    Attributes
    ----------
    utterances, hypotheses : int
        Of the joined lists.
    shared : int
        Utterances that all systems have. Scores are those of these alone, so that they can be compared.
    new : int
        Utterances for which the chosen text is none of any system.
    changed : dict of name to int
        How many texts of a system, which chooses what it finds most probable, have other words than the chosen ones.
    scores : dict of metric to Scores
        Of the joined lists and the texts chosen from them; empty without references or shared utterances.
    systems : dict of name to dict of metric to Scores
        Of what each system chooses alone.
    """

    utterances: int
    hypotheses: int
    shared: int
    new: int
    changed: dict[str, int]
    scores: dict[str, Scores] = field(default_factory=dict)
    systems: dict[str, dict[str, Scores]] = field(default_factory=dict)

    def best_alone(self, metric: str) -> str:
        """The name of the system that is best by `metric`, the first of equals."""
        return min(self.systems, key=lambda name: _loss(self.systems[name][metric]))

    def difference(self, metric: str) -> Comparison:
        """The value of the vote minus that of the best system alone, and how probable it is by chance."""
        alone, together = self.systems[self.best_alone(metric)][metric], self.scores[metric]
        return Gain(together.metric, alone.chosen, together.chosen).difference

    def as_json(self) -> dict[str, Any]:
        """All numbers; of each metric M the values of the vote ``M``, of the most probable texts ``M_first``, of the
        best and the worst ones ``M_oracle``, ``M_worst``, with ``M_interval`` and ``M_difference`` to the best system.
        """
        values: dict[str, Any] = {}
        for name, scores in self.scores.items():
            values |= {f"{name}_{what}".rstrip("_"): value for what, value in scores.values().items()}
            values[f"{name}_interval"] = [scores.interval.low, scores.interval.high]
            values[f"{name}_difference"] = {"system": self.best_alone(name), **asdict(self.difference(name))}
        counts = {name: getattr(self, name) for name in ("utterances", "hypotheses", "shared", "new")}
        signatures = {name: scores.metric.signature for name, scores in self.scores.items()}
        systems = {
            name: {**{metric: one.values()[""] for metric, one in scores.items()}, "changed": self.changed[name]}
            for name, scores in self.systems.items()
        }
        return json_ready({**counts, **values, "signatures": signatures, "systems": systems})


def _loss(scores: Scores) -> float:
    """The loss of the chosen texts; the worst there is if they have no value."""
    found = float(loss(scores.metric, scores.chosen.sum(axis=0)))
    return np.inf if np.isnan(found) else found


def report_on(rescored: RescoredLists, systems: Sequence[System], metrics: Sequence[Metric]) -> RoverReport:
    """What `rover.choose` made of the lists of `systems`. Raises InputError if there are metrics and no references."""
    lists, decision = rescored.lists, rescored.decision
    shared = [u for u, one in enumerate(lists.utterances) if all(one.id in other.utterances for other in systems)]
    part = NbestLists([lists.utterances[u] for u in shared])
    places = [decision.best[u] - lists.offsets[u] + part.offsets[k] for k, u in enumerate(shared)]
    best = np.where(decision.best[shared] < 0, -1, np.array(places, np.int64))
    together = Decision(best, [decision.texts[u] for u in shared])
    measured = metrics if shared else ()
    return RoverReport(
        utterances=len(lists),
        hypotheses=len(lists.texts),
        shared=len(shared),
        new=int((decision.best < 0).sum()),
        changed={one.name: _changed(rescored, one) for one in systems},
        scores=_scores(part, together, measured),
        systems={one.name: _scores_alone(one, part, measured) for one in systems},
    )


def _changed(rescored: RescoredLists, one: System) -> int:
    """How many texts that `one` chooses have other words than those of the vote."""
    ids = [utterance.id for utterance in rescored.lists.utterances]
    pairs = [(text, one.chosen(key)) for key, text in zip(ids, rescored.decision.texts) if key in one.utterances]
    return sum(words_of(text) != words_of(own) for text, own in pairs)


def _scores_alone(one: System, joined: NbestLists, metrics: Sequence[Metric]) -> dict[str, Scores]:
    """What `one` reaches on the utterances of the `joined` lists, which have the references."""
    lists = NbestLists([replace(one.utterances[own.id], refs=own.refs) for own in joined.utterances])
    texts = [one.chosen(own.id) for own in joined.utterances]
    masses = [one.masses[own.id] for own in joined.utterances]
    return _scores(lists, Decision(lists.best(np.concatenate(masses or [np.zeros(0)])), texts), metrics)


def _scores(lists: NbestLists, decision: Decision, metrics: Sequence[Metric]) -> dict[str, Scores]:
    found = {}
    for metric in metrics:
        evaluation = Evaluation(metric)
        evaluation.add(lists, decision)
        found[metric.name] = evaluation.scores()
    return found
