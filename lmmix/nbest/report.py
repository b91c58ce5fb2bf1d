"""What rescoring did, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lmmix.errors import SettingError
from lmmix.fileio import json_ready
from lmmix.metrics.metric import Metric
from lmmix.metrics.significance import Comparison
from lmmix.nbest.changes import Change
from lmmix.nbest.evaluation import Gain, Scores
from lmmix.nbest.features import LmCoverage
from lmmix.nbest.weights import Weights


@dataclass(frozen=True)
class RescoreReport:
    """What rescoring did.

    Attributes
    ----------
    utterances, hypotheses : int
    weights : Weights
    metric : Metric
        What features are weighed by and cross-validation measures: the first metric, or that of tuning.
    tuned : bool
        Whether the weights were found on these very lists, so that the scores are optimistic.
    scores : dict of metric to Scores
        Empty without references.
    held_out : Gain, optional
        What is chosen, by the same rule, with weights that were found on other utterances.
    highest_sum : float, optional
        The value of `metric` when the highest sum is chosen, with all features.
    without : dict of feature to float
        The same without this feature: where `tuned`, weights are tuned anew, else its weight is 0. Whatever rule
        decides, these are values of the highest sum, and to be compared with `highest_sum`.
    better, worse : lists of Change
        The utterances that gained most and lost most.
    coverage : dict of language model feature to LmCoverage
    seconds : float
    """

    utterances: int
    hypotheses: int
    weights: Weights
    metric: Metric
    tuned: bool
    scores: dict[str, Scores]
    held_out: Gain | None = None
    highest_sum: float | None = None
    without: dict[str, float] = field(default_factory=dict)
    better: list[Change] = field(default_factory=list)
    worse: list[Change] = field(default_factory=list)
    coverage: dict[str, LmCoverage] = field(default_factory=dict)
    seconds: float = 0.0

    def value(self, metric: str, what: str = "") -> float:
        """The value of a metric for the chosen texts, or for `what`: ``first``, ``oracle``, ``worst``."""
        return self.scores[metric].values()[what]

    def cross_validated(self) -> Comparison:
        """What `metric` gains on utterances that were not tuned on. Raises SettingError if that was not measured."""
        if self.held_out is None:
            raise SettingError("nothing was cross-validated; tune with folds (--folds 5)")
        return self.held_out.difference

    def as_json(self) -> dict[str, Any]:
        """All numbers; for each metric M the values ``M_first``, ``M``, ``M_oracle``, ``M_worst``, how far they may
        be chance: ``M_interval``, ``M_difference``, and ``M_sums``, the sums of its statistics. Error rates are
        fractions.
        """
        values: dict[str, Any] = {}
        for name, scores in self.scores.items():
            values |= {f"{name}_{what}".rstrip("_"): value for what, value in scores.values().items()}
            values[f"{name}_interval"] = [scores.interval.low, scores.interval.high]
            values[f"{name}_difference"] = asdict(scores.difference)
            sums = {"first": scores.first.sum(axis=0), "chosen": scores.chosen.sum(axis=0)}
            values[f"{name}_sums"] = {
                what: dict(zip(scores.metric.columns, one.tolist())) for what, one in sums.items()
            }
        if self.held_out:
            difference = asdict(self.held_out.difference)
            values["cross_validated"] = {"value": self.held_out.value, "difference": difference}
        return json_ready(
            {
                "utterances": self.utterances,
                "hypotheses": self.hypotheses,
                **values,
                "signatures": {name: scores.metric.signature for name, scores in self.scores.items()},
                "weights": self.weights.values,
                "highest_sum": self.highest_sum,
                "without": self.without,
                "decision": asdict(self.weights.decision),
                "tuned": self.tuned,
                "better": [asdict(one) for one in self.better],
                "worse": [asdict(one) for one in self.worse],
                "coverage": {name: asdict(one) for name, one in self.coverage.items()},
                "seconds": self.seconds,
            }
        )
