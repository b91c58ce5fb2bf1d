"""What rescoring did, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lmmix.fileio import json_ready
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
    coverage : dict of language model feature to LmCoverage
    seconds : float
    """

    utterances: int
    hypotheses: int
    weights: Weights
    tuned: bool
    scores: dict[str, Scores]
    coverage: dict[str, LmCoverage] = field(default_factory=dict)
    seconds: float = 0.0

    def value(self, metric: str, what: str = "") -> float:
        """The value of a metric for the chosen texts, or for `what`: ``first``, ``oracle``, ``worst``."""
        return self.scores[metric].values()[what]

    def as_json(self) -> dict[str, Any]:
        """All numbers: ``wer_first``, ``wer``, ``wer_oracle``, ``wer_worst`` for each metric, and the other fields."""
        values = {
            f"{name}_{what}".rstrip("_"): value
            for name, scores in self.scores.items()
            for what, value in scores.values().items()
        }
        return json_ready(
            {
                "utterances": self.utterances,
                "hypotheses": self.hypotheses,
                **values,
                "signatures": {name: scores.metric.signature for name, scores in self.scores.items()},
                "weights": self.weights.values,
                "decision": asdict(self.weights.decision),
                "tuned": self.tuned,
                "coverage": {name: asdict(one) for name, one in self.coverage.items()},
                "seconds": self.seconds,
            }
        )
