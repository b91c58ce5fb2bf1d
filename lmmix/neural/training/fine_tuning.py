"""Training that goes on from a trained network, on another text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lmmix.errors import FormatError, SettingError
from lmmix.neural.allowed import check_value
from lmmix.neural.network_model import NetworkModel
from lmmix.neural.shapes import network_rates
from lmmix.neural.training.settings import ALLOWED, TrainSettings

SLOWER = 0.1
"""The learning rate by default, as a part of that which the network was first trained with."""


def run_settings(
    model: Any, arch: str | None, size: str | None, overrides: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Architecture, size and overrides of a run: what was asked for, or what it takes to go on from `model`.

    That is its shape, context and optimiser and a lower learning rate, unless `overrides` say otherwise.
    Raises SettingError for a model that is no network, and for an architecture, a size or a shape of another one; parts
    left out in training (`dropout` and its kin) are free. Raises FormatError if the record of its training is damaged.
    """
    if model is None:
        return arch or "lstm", size or "tiny", overrides
    if not isinstance(model, NetworkModel):
        raise SettingError(f"training goes on only from a network, not from a {type(model).__name__}")
    own, kept = model.network.arch, _kept(model)
    if arch is not None and arch != own:
        raise SettingError(f"arch is {arch!r}, but the network to start from is {own!r}; leave arch out")
    if size is not None:
        raise SettingError(f"size is {size!r}, but the network to start from has a shape of its own; leave size out")
    shape = asdict(model.network.settings)
    for name, value in shape.items():
        asked = overrides.get(name)
        if asked is not None and asked != value and name not in network_rates():
            raise SettingError(f"{name} is {asked!r}, but the network to start from has {value!r}; leave {name} out")
    given = {name: value for name, value in overrides.items() if value is not None}
    if "learning_rate" not in given and given.get("optimizer", kept["optimizer"]) != kept["optimizer"]:
        raise SettingError(
            f"optimizer is {given['optimizer']!r}, but the network to start from was trained with "
            f"{kept['optimizer']!r}; give a learning_rate, too"
        )
    slower = {name: kept[name] for name in ("optimizer", "momentum")}
    slower["learning_rate"] = SLOWER * kept["first_rate"]
    return own, "tiny", {**shape, "context": model.context, **slower, **given}


def first_rate(model: NetworkModel, settings: TrainSettings) -> float:
    """The learning rate of the first training of `model`, or that of `settings` if these are of another optimiser.

    It stands in the record of a network that was trained again, so that the rate does not fall each time.
    """
    kept = _kept(model)
    rate: float = kept["first_rate"] if kept["optimizer"] == settings.optimizer else settings.learning_rate
    return rate


def _kept(model: NetworkModel) -> dict[str, Any]:
    """`optimizer`, `momentum` and `first_rate` from the record of a network. Raises FormatError if it is damaged."""
    usual = TrainSettings()
    record = model.training
    kept = {name: record.get(name, getattr(usual, name)) for name in ("optimizer", "momentum", "learning_rate")}
    kept["first_rate"] = record.get("first_rate", kept["learning_rate"])
    try:
        for name, value in kept.items():
            check_value(name, value, ALLOWED.get(name, ALLOWED["learning_rate"]))
    except SettingError as error:
        raise FormatError(f"the record of the network to start from is damaged: {error}") from None
    return kept
