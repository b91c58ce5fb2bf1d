"""ROUGE (Lin 2004): how much of the reference's words, pairs of words or longest common sequence is there.

Computed by the package rouge-score, without stemming. It knows small letters a to z and digits and passes over all
else, so it is for English.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from lmmix import __version__
from lmmix.errors import MissingDependencyError
from lmmix.metrics.normalise import Normaliser


class _Rouge:
    """The mean over sentences of the F-measure against the best of the references; statistics are (F, 1)."""

    name: str
    higher_is_better = True
    factor = 100.0
    linear = True
    columns: tuple[str, ...] = ("f", "sentences")

    def __init__(self, normaliser: Normaliser) -> None:
        self.normaliser = normaliser
        self.scorer = _scorer(self.name)

    @property
    def signature(self) -> str:
        """Every choice that affects the values."""
        package = f"rouge-score:{version('rouge-score')}"
        return f"{self.name}|{self.normaliser.signature}|stemmer:no|{package}|lmmix:{__version__}"

    def statistics(self, references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """(n, 2) F-measure, and 1."""
        targets = [self.normaliser(text) for text in references]
        scores = [self.scorer.score_multi(targets, self.normaliser(text))[self.name].fmeasure for text in texts]
        return np.column_stack([np.array(scores, np.float64), np.ones(len(scores))])

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) mean F-measure; nan of no sentence."""
        some = sums[..., 1] > 0
        return np.where(some, sums[..., 0] / np.where(some, sums[..., 1], 1.0), np.nan)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) minus F-measure."""
        return -statistics[:, 0]


def _scorer(kind: str) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise MissingDependencyError("rouge-score", kind, "rouge") from None
    return RougeScorer([kind], use_stemmer=False)


class Rouge1(_Rouge):
    """Words."""

    name = "rouge1"


class Rouge2(_Rouge):
    """Pairs of neighbouring words."""

    name = "rouge2"


class RougeL(_Rouge):
    """Longest common subsequence of words."""

    name = "rougeL"
