"""What a metric is: statistics of single hypotheses, which add up, and a value of their sum.

Word error rate, BLEU, chrF, TER and ROUGE all are such: the value of a text is a function of the sum of small
vectors, one a sentence. So whatever compares systems, draws bootstrap samples or tunes weights needs these vectors
alone and knows no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

import numpy as np

from lmmix.errors import SettingError
from lmmix.metrics.normalise import Normaliser


class Metric(Protocol):
    """How good hypotheses are."""

    name: str
    higher_is_better: bool
    factor: float
    """What values are multiplied with when they are shown: error rates are fractions, shown in percent."""
    linear: bool
    """Whether the best hypothesis of each sentence makes the best text."""
    columns: tuple[str, ...]
    """What the k statistics are."""
    normaliser: Normaliser
    """How texts are rewritten before they are compared."""

    @property
    def signature(self) -> str:
        """Every choice that affects the values, on one line."""
        ...

    def statistics(self, references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """(n, k) float64: the statistics of each of `texts` against all `references` of one sentence.

        Raises InputError if the metric cannot deal with so many references.
        """
        ...

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) float64 values of sums of statistics (…, k); nan where there is nothing to compare with."""
        ...

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) how bad single hypotheses are, comparable within the list of one sentence; lower is better.

        Where `linear`, the value of a text is a monotone function of the sum of these.
        """
        ...


_HOMES = {
    "wer": "lmmix.metrics.error_rate:WordErrorRate",
    "cer": "lmmix.metrics.error_rate:CharacterErrorRate",
    "ser": "lmmix.metrics.error_rate:SentenceErrorRate",
    "bleu": "lmmix.metrics.translation:Bleu",
    "chrf": "lmmix.metrics.translation:Chrf",
    "chrf++": "lmmix.metrics.translation:ChrfWords",
    "ter": "lmmix.metrics.translation:Ter",
    "rouge1": "lmmix.metrics.rouge:Rouge1",
    "rouge2": "lmmix.metrics.rouge:Rouge2",
    "rougeL": "lmmix.metrics.rouge:RougeL",
}
METRICS = tuple(_HOMES)
"""Names of all metrics; the first is the one by default."""

_WITH_TOKENIZER = "bleu"
"""The metric whose name may be followed by a colon and the name of a tokeniser."""


def make_metric(name: str, normaliser: Normaliser | None = None) -> Metric:
    """The metric called `name` (see METRICS) over texts that `normaliser` has rewritten, by default as they are.

    ``bleu:zh`` is BLEU of the words that sacrebleu's tokeniser `zh` makes; without a colon it is `13a`.
    Raises SettingError for an unknown name, MissingDependencyError.
    """
    kind, colon, tokenizer = name.partition(":")
    if kind not in _HOMES:
        raise SettingError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
    if colon and kind != _WITH_TOKENIZER:
        raise SettingError(f"{name!r}: only {_WITH_TOKENIZER} takes a tokeniser; write {kind}")
    module, cls = _HOMES[kind].split(":")
    return getattr(import_module(module), cls)(normaliser or Normaliser(), *([tokenizer] if colon else []))


def loss(metric: Metric, sums: np.ndarray) -> np.ndarray:
    """(…) what is to be made small: the value of `sums` (…, k), or its negative where higher is better."""
    value = metric.value(sums)
    return -value if metric.higher_is_better else value
