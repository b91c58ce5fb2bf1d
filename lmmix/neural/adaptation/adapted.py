"""What the models have in common that are a trained network and something that it learns while it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from lmmix.lm import REMEMBERS
from lmmix.neural.adaptation.features import check_adaptable
from lmmix.neural.allowed import Allowed, check_settings
from lmmix.neural.model import NeuralModel


class AdaptedModel:
    """A network that is adapted by the text it reads; what it remembers goes across sentences.

    Attributes
    ----------
    model : NeuralModel
        The trained network, which stays as it is.
    settings
        Of the class that a subclass says; its values are checked against `allowed`.
    vocab, signature
        See `lmmix.lm.LanguageModel`.

    Raises SettingError for a model that is no network, and for values that are not allowed.
    """

    kind: ClassVar[str]
    settings_class: ClassVar[Any]
    allowed: ClassVar[Mapping[str, Allowed]]

    def __init__(self, model: NeuralModel, **settings: Any) -> None:
        self.model = check_adaptable(model)
        self.settings = self.settings_class(**settings)
        check_settings(self.settings, self.allowed)
        self.vocab = model.vocab
        values = "|".join(f"{name}:{value!r}" for name, value in asdict(self.settings).items())
        self.signature = f"{self.kind}|{values}|{REMEMBERS}|network:[{model.signature}]"
