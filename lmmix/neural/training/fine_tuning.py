"""Training that goes on from a trained network, on another text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lmmix.errors import SettingError
from lmmix.neural.masked_model import MaskedModel
from lmmix.neural.model import NeuralModel
from lmmix.neural.shapes import network_rates
from lmmix.neural.training.settings import TrainSettings

SLOWER = 0.1
"""The learning rate by default, as a part of that which the network was first trained with."""


def run_settings(
    model: Any, arch: str | None, size: str | None, overrides: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Architecture, size and overrides of a run: what was asked for, or what it takes to go on from `model`.

    That is its shape and context and a lower learning rate, unless `overrides` say otherwise.
    Raises SettingError for a model that is no network, and for an architecture, a size or a shape of another one; parts
    left out in training (`dropout` and its kin) are free.
    """
    if model is None:
        return arch or "lstm", size or "tiny", overrides
    if not isinstance(model, (NeuralModel, MaskedModel)):
        raise SettingError(f"training goes on only from a network, not from a {type(model).__name__}")
    own = model.network.arch
    if arch is not None and arch != own:
        raise SettingError(f"arch is {arch!r}, but the network to start from is {own!r}; leave arch out")
    if size is not None:
        raise SettingError(f"size is {size!r}, but the network to start from has a shape of its own; leave size out")
    shape = asdict(model.network.settings)
    for name, value in shape.items():
        asked = overrides.get(name)
        if asked is not None and asked != value and name not in network_rates():
            raise SettingError(f"{name} is {asked!r}, but the network to start from has {value!r}; leave {name} out")
    first_rate = model.training.get("learning_rate", TrainSettings().learning_rate)
    given = {name: value for name, value in overrides.items() if value is not None}
    return own, "tiny", {**shape, "context": model.context, "learning_rate": SLOWER * first_rate, **given}
