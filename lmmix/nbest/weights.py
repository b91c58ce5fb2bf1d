"""Weights of features as a file: what they are, how to decide with them, and what they were found on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from lmmix.errors import FormatError, SettingError
from lmmix.fileio import PathLike, read_json, write_json
from lmmix.metrics.metric import METRICS
from lmmix.metrics.normalise import Normaliser
from lmmix.nbest.decide.decision import DecisionSettings
from lmmix.nbest.formats.numbers import is_finite_number

KIND = "rescore-weights"
VERSION = 2


@dataclass(frozen=True)
class Weights:
    """What rescoring needs besides the models.

    Attributes
    ----------
    values : dict of feature to float
    normalise : tuple of names
        How texts are rewritten before features are made of them (see `metrics.normalise.STEPS`).
    decision : DecisionSettings
    tuning : dict
        What the weights were found on, and how well they did: `metric` and its `signature`, the `normalise` of the
        metric, `method`, number of `utterances`, `value` of what the decision chose, and `cross_validated`, the value
        on utterances that were not tuned on. Empty for weights that somebody chose.

    Raises SettingError for a weight that is not finite.
    """

    values: dict[str, float]
    normalise: tuple[str, ...] = ()
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    tuning: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if not math.isfinite(value):
                raise SettingError(f"the weight of {name!r} is {value}; it must be a finite number")

    @property
    def tuned_for(self) -> tuple[str, tuple[str, ...]]:
        """The name of the metric that they were tuned for, wer if for none, and the steps that rewrite its texts."""
        return self.tuning.get("metric", METRICS[0]), tuple(self.tuning.get("normalise", ()))

    def save(self, path: PathLike) -> None:
        """Write as JSON."""
        content = {"weights": self.values, "normalise": list(self.normalise), "decision": asdict(self.decision)}
        write_json(path, {"kind": KIND, "version": VERSION, **content, "tuning": self.tuning})


def load_weights(path: PathLike) -> Weights:
    """Weights written by `Weights.save`. Raises FormatError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise FormatError(f"{path}: not a file of rescoring weights (its kind is not {KIND!r})")
    if content.get("version") != VERSION:
        raise FormatError(f"{path}: version {content.get('version')!r}; this lmmix reads version {VERSION}")
    values = content.get("weights")
    if not isinstance(values, dict) or not values or not all(is_finite_number(value) for value in values.values()):
        raise FormatError(f'{path}: "weights" is not an object of names and finite numbers')
    tuning = content.get("tuning", {})
    if not isinstance(tuning, dict):
        raise FormatError(f'{path}: "tuning" is not an object')
    if not isinstance(tuning.get("metric", ""), str):
        raise FormatError(f'{path}: the "metric" of "tuning" is not a name')
    try:
        decision = DecisionSettings(**content.get("decision", {}))
        normalise = Normaliser(content.get("normalise", [])).steps
        Normaliser(tuning.get("normalise", []))
    except (TypeError, SettingError) as error:
        raise FormatError(f'{path}: "decision" or "normalise": {error}') from None
    return Weights({name: float(value) for name, value in values.items()}, normalise, decision, tuning)
