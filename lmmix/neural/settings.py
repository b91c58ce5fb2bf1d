"""Architectures, the shapes of their networks, and the named sizes that set both shape and training."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from lmmix.errors import SettingError
from lmmix.neural import allowed
from lmmix.neural.allowed import COUNT, PART, check_settings
from lmmix.neural.training.settings import ALLOWED as TRAINING_ALLOWED
from lmmix.neural.training.settings import TrainSettings


@dataclass(frozen=True)
class NetworkSettings:
    """The shape of any network.

    Attributes
    ----------
    embedding : int
        Size of a word's vector, in and out (they are one).
    dropout : float
        Part of the units left out in training.
    """

    embedding: int = 128
    dropout: float = 0.2

    def check_fit(self) -> None:
        """Raise SettingError for allowed values that do not fit each other."""


@dataclass(frozen=True)
class RecurrentSettings(NetworkSettings):
    """The shape of an RNN, GRU or LSTM.

    Attributes
    ----------
    hidden : int
        Size of the state in each layer.
    layers : int
        Recurrent layers, one upon the other.
    word_dropout : float
        Part of the words of the vocabulary whose vectors are left out of a step of training.
    weight_drop : float
        Part of the weights from hidden unit to hidden unit left out of a step of training.
    """

    hidden: int = 128
    layers: int = 1
    word_dropout: float = 0.0
    weight_drop: float = 0.0


@dataclass(frozen=True)
class TransformerSettings(NetworkSettings):
    """The shape of a Transformer decoder.

    Attributes
    ----------
    hidden : int
        Units inside the SwiGLU of each layer.
    layers : int
        Blocks of attention and SwiGLU, one upon the other.
    heads : int
        Heads of the attention; they share out the embedding.
    kv_heads : int
        Different keys and values; several heads may share theirs.
    window : int
        Words that a word sees in each layer, itself included.
    """

    hidden: int = 344
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    window: int = 128

    @property
    def head_units(self) -> int:
        """Units of a head."""
        return self.embedding // self.heads

    def check_fit(self) -> None:
        """See `NetworkSettings.check_fit`."""
        if self.embedding % (2 * self.heads):
            raise SettingError(
                f"embedding is {self.embedding}; with {self.heads} heads it must be a multiple of {2 * self.heads}"
            )
        if self.heads % self.kv_heads:
            raise SettingError(f"kv_heads is {self.kv_heads}; it must divide the number of heads, {self.heads}")


_ALLOWED: dict[str, allowed.Allowed] = {
    "embedding": COUNT,
    "dropout": PART,
    "hidden": COUNT,
    "layers": COUNT,
    "word_dropout": PART,
    "weight_drop": PART,
    "heads": COUNT,
    "kv_heads": COUNT,
    "window": COUNT,
}


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
    """

    settings: type[NetworkSettings]
    network: str
    sizes: dict[str, dict[str, Any]]


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
    "rnn": Architecture(RecurrentSettings, "lmmix.neural.networks.recurrent:RnnNetwork", _RECURRENT_SIZES),
    "gru": Architecture(RecurrentSettings, "lmmix.neural.networks.recurrent:GruNetwork", _RECURRENT_SIZES),
    "lstm": Architecture(RecurrentSettings, "lmmix.neural.networks.recurrent:LstmNetwork", _RECURRENT_SIZES),
    "transformer": Architecture(
        TransformerSettings, "lmmix.neural.networks.transformer:TransformerNetwork", _TRANSFORMER_SIZES
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
    return network, training


def check_network(settings: NetworkSettings) -> None:
    """Raise SettingError for the first value that is not allowed."""
    check_settings(settings, _ALLOWED)
    settings.check_fit()


def find_architecture(name: str) -> Architecture:
    """The architecture called `name`. Raises SettingError."""
    if name not in ARCHITECTURES:
        raise SettingError(f"no neural architecture is called {name!r}; there are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
