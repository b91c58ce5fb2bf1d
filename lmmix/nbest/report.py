"""What rescoring did, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lmmix.fileio import json_ready
from lmmix.metrics.significance import Comparison, paired_bootstrap
from lmmix.nbest.changes import Change
from lmmix.nbest.evaluation import Scores
from lmmix.nbest.features import LmCoverage
from lmmix.nbest.weights import Weights


@dataclass(frozen=True)
class RescoreReport:
    """What rescoring did.

    Attributes
    ----------
    utterances, hypotheses : int
    weights : Weights
    tuned : bool
        Whether the weights were found on these very lists, so that the scores are optimistic.
    scores : dict of metric to Scores
        Empty without references.
    held_out : (U, k) float64, optional
        Statistics of what is chosen with weights that were found on other utterances.
    without : dict of feature to float
        The first metric when the highest sum is chosen without this feature: tuned anew if weights were tuned.
    better, worse : lists of Change
        The utterances that gained most and lost most.
    coverage : dict of language model feature to LmCoverage
    seconds : float
    """

    utterances: int
    hypotheses: int
    weights: Weights
    tuned: bool
    scores: dict[str, Scores]
    held_out: np.ndarray | None = None
    without: dict[str, float] = field(default_factory=dict)
    better: list[Change] = field(default_factory=list)
    worse: list[Change] = field(default_factory=list)
    coverage: dict[str, LmCoverage] = field(default_factory=dict)
    seconds: float = 0.0

    def value(self, metric: str, what: str = "") -> float:
        """The value of a metric for the chosen texts, or for `what`: ``first``, ``oracle``, ``worst``."""
        return self.scores[metric].values()[what]

    def cross_validated(self) -> Comparison:
        """What the first metric gains on utterances that were not tuned on."""
        scores = next(iter(self.scores.values()))
        assert self.held_out is not None
        return paired_bootstrap(scores.metric, scores.first, self.held_out)

    def as_json(self) -> dict[str, Any]:
        """All numbers; for each metric M the values ``M_first``, ``M``, ``M_oracle``, ``M_worst``, and how far they may
        be chance: ``M_interval``, ``M_difference``. Error rates are fractions.
        """
        values: dict[str, Any] = {}
        for name, scores in self.scores.items():
            values |= {f"{name}_{what}".rstrip("_"): value for what, value in scores.values().items()}
            values[f"{name}_interval"] = [scores.interval.low, scores.interval.high]
            values[f"{name}_difference"] = asdict(scores.difference)
        if self.held_out is not None:
            values["cross_validated"] = asdict(self.cross_validated())
        return json_ready(
            {
                "utterances": self.utterances,
                "hypotheses": self.hypotheses,
                **values,
                "signatures": {name: scores.metric.signature for name, scores in self.scores.items()},
                "weights": self.weights.values,
                "without": self.without,
                "decision": asdict(self.weights.decision),
                "tuned": self.tuned,
                "better": [asdict(one) for one in self.better],
                "worse": [asdict(one) for one in self.worse],
                "coverage": {name: asdict(one) for name, one in self.coverage.items()},
                "seconds": self.seconds,
            }
        )
