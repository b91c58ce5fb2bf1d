"""Architectures, and the named sizes that set the shape of a network and its training."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any

from lmmix.errors import SettingError
from lmmix.neural.allowed import check_settings
from lmmix.neural.shapes import (
    ConvolutionSettings,
    FeedForwardSettings,
    MaskedSettings,
    NetworkSettings,
    RecurrentSettings,
    TransformerSettings,
    check_network,
)
from lmmix.neural.training.settings import ALLOWED as TRAINING_ALLOWED
from lmmix.neural.training.settings import CONTEXTS, TrainSettings


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes
    ----------
    settings : type
        The class of its shape.
    network : str
        Where its class is, as MODULE:NAME.
    sizes : dict
        What each named size sets; everything else is the default, which is `tiny`.
    model, objective : str
        Where the class of its language model and that of its goal of training are.
    contexts : tuple of str
        The contexts in which it can be trained, see `TrainSettings`.
    """

    settings: type[NetworkSettings]
    network: str
    sizes: dict[str, dict[str, Any]]
    model: str = "lmmix.neural.model:NeuralModel"
    objective: str = "lmmix.neural.training.objective:NextWord"
    contexts: tuple[str, ...] = CONTEXTS

    def check_context(self, context: str) -> None:
        """Raise SettingError unless the architecture can be used in `context`."""
        if context not in self.contexts:
            raise SettingError(
                f"context is {context!r}; with this architecture it must be {' or '.join(self.contexts)}"
            )


_RECURRENT_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {},
    "small": {"embedding": 256, "hidden": 384, "dropout": 0.35, "epochs": 8, "learning_rate": 8e-3},
    "medium": {
        "embedding": 400,
        "hidden": 800,
        "layers": 2,
        "dropout": 0.5,
        "epochs": 20,
        "learning_rate": 4e-3,
        "samples": 2500,
    },
}

_FEED_FORWARD_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"learning_rate": 1e-2},
    "small": {"embedding": 256, "hidden": 512, "dropout": 0.3, "epochs": 8, "learning_rate": 5e-3},
    "medium": {
        "embedding": 400,
        "hidden": 1024,
        "layers": 2,
        "dropout": 0.4,
        "epochs": 15,
        "learning_rate": 3e-3,
        "samples": 2500,
    },
}

_CONVOLUTION_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"learning_rate": 1e-2},
    "small": {"embedding": 256, "hidden": 256, "layers": 5, "dropout": 0.3, "epochs": 8, "learning_rate": 5e-3},
    "medium": {
        "embedding": 400,
        "hidden": 512,
        "layers": 8,
        "dropout": 0.4,
        "epochs": 15,
        "learning_rate": 3e-3,
        "samples": 2500,
    },
}

# A step asks for a seventh of the words only, so it takes more epochs to learn as much.
_MASKED_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"epochs": 6, "learning_rate": 5e-3},
    "small": {"embedding": 256, "hidden": 768, "layers": 3, "epochs": 12, "learning_rate": 2e-3},
    "medium": {"embedding": 384, "hidden": 1536, "layers": 6, "heads": 6, "epochs": 40, "learning_rate": 1e-3},
}

_TRANSFORMER_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"learning_rate": 5e-3},
    "small": {
        "embedding": 256,
        "hidden": 688,
        "layers": 4,
        "dropout": 0.3,
        "epochs": 8,
        "learning_rate": 2.5e-3,
    },
    "medium": {
        "embedding": 384,
        "hidden": 1024,
        "layers": 6,
        "heads": 6,
        "dropout": 0.4,
        "epochs": 16,
        "learning_rate": 1.5e-3,
        "samples": 2500,
    },
}

ARCHITECTURES = {
    "ff": Architecture(
        FeedForwardSettings, "lmmix.neural.networks.feedforward:FeedForwardNetwork", _FEED_FORWARD_SIZES
    ),
    "conv": Architecture(
        ConvolutionSettings, "lmmix.neural.networks.convolution:ConvolutionNetwork", _CONVOLUTION_SIZES
    ),
    "rnn": Architecture(RecurrentSettings, "lmmix.neural.networks.recurrent:RnnNetwork", _RECURRENT_SIZES),
    "gru": Architecture(RecurrentSettings, "lmmix.neural.networks.recurrent:GruNetwork", _RECURRENT_SIZES),
    "lstm": Architecture(RecurrentSettings, "lmmix.neural.networks.recurrent:LstmNetwork", _RECURRENT_SIZES),
    "transformer": Architecture(
        TransformerSettings, "lmmix.neural.networks.transformer:TransformerNetwork", _TRANSFORMER_SIZES
    ),
    "masked": Architecture(
        MaskedSettings,
        "lmmix.neural.networks.masked:MaskedNetwork",
        _MASKED_SIZES,
        model="lmmix.neural.masked_model:MaskedModel",
        objective="lmmix.neural.training.masked_objective:MaskedWord",
        contexts=("sentence",),
    ),
}
"""All kinds of networks, by name."""

SIZES = ("tiny", "small", "medium")


def make_settings(arch: str, size: str, overrides: dict[str, Any]) -> tuple[NetworkSettings, TrainSettings]:
    """The settings of a named size with some of them overridden; None overrides nothing.

    Raises SettingError for an unknown architecture, size or setting, or a value that is not allowed.
    """
    architecture = find_architecture(arch)
    if size not in SIZES:
        raise SettingError(f"no size is called {size!r}; there are {', '.join(SIZES)}")
    values = {**architecture.sizes[size], **{name: value for name, value in overrides.items() if value is not None}}
    network_names = {field.name for field in fields(architecture.settings)}
    known = network_names | {field.name for field in fields(TrainSettings)}
    for name in values:
        if name not in known:
            raise SettingError(f"no setting of {arch} is called {name!r}; there are {', '.join(sorted(known))}")
    network = architecture.settings(**{n: v for n, v in values.items() if n in network_names})
    training = replace(TrainSettings(), **{n: v for n, v in values.items() if n not in network_names})
    check_network(network)
    check_settings(training, TRAINING_ALLOWED)
    architecture.check_context(training.context)
    return network, training


def find_architecture(name: str) -> Architecture:
    """The architecture called `name`. Raises SettingError."""
    if name not in ARCHITECTURES:
        raise SettingError(f"no neural architecture is called {name!r}; there are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def find_class(place: str) -> Any:
    """The class at MODULE:NAME."""
    module, name = place.split(":")
    return getattr(import_module(module), name)
