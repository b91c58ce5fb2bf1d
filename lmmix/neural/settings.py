"""Hyper-parameters: what a network is like, how it is trained, and the named sizes that set both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from lmmix.errors import SettingError

ARCHITECTURES = ("lstm",)

_COUNT: tuple[str, Callable[[Any], bool]] = ("a whole number, 1 or more", lambda x: x >= 1)
_COUNT_OR_ZERO: tuple[str, Callable[[Any], bool]] = ("a whole number, 0 or more", lambda x: x >= 0)
_POSITIVE: tuple[str, Callable[[Any], bool]] = ("a number above 0", lambda x: 0 < x < math.inf)
_PART: tuple[str, Callable[[Any], bool]] = ("a number of at least 0 and below 1", lambda x: 0 <= x < 1)
_NOT_NEGATIVE: tuple[str, Callable[[Any], bool]] = ("a number, 0 or more", lambda x: 0 <= x < math.inf)

_ALLOWED = {
    "embedding": _COUNT,
    "hidden": _COUNT,
    "layers": _COUNT,
    "dropout": _PART,
    "epochs": _COUNT,
    "batch_tokens": _COUNT,
    "max_length": _COUNT,
    "learning_rate": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "clip": _POSITIVE,
    "warmup": _PART,
    "samples": _COUNT_OR_ZERO,
    "patience": _COUNT,
}


@dataclass(frozen=True)
class LstmSettings:
    """The shape of an LSTM network.

    Attributes
    ----------
    embedding : int
        Size of a word's vector, in and out (they are one).
    hidden : int
        Size of the LSTM's state in each layer.
    layers : int
        LSTM layers, one upon the other.
    dropout : float
        Part of the units left out in training: of the embeddings, between layers and of the output.
    """

    embedding: int = 128
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.2


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the text; the learning rate falls to 0 over all of them.
    batch_tokens : int
        Events in one step, padding included.
    max_length : int
        Longer sentences are cut into pieces of this many events, in training only.
    learning_rate, weight_decay, clip : float
        Of AdamW; `clip` bounds the norm of the gradient.
    warmup : float
        Part of the steps in which the learning rate rises.
    samples : int
        Words that the softmax of a training step compares with, on average; 0 is all (see `sampling`).
    patience : int
        Stop after so many epochs without a better validation perplexity.
    precision : {"auto", "float32", "bfloat16"}
        Of the matrix products in training; scoring is always in float32.
    """

    epochs: int = 4
    batch_tokens: int = 1000
    max_length: int = 128
    learning_rate: float = 1.5e-2
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: float = 0.05
    samples: int = 1500
    patience: int = 2
    precision: str = "auto"


SIZES: dict[str, dict[str, Any]] = {
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
"""What each named size sets; everything else is the default, which is `tiny`."""


def make_settings(arch: str, size: str, overrides: dict[str, Any]) -> tuple[LstmSettings, TrainSettings]:
    """The settings of a named size with some of them overridden; None overrides nothing.

    Raises SettingError for an unknown architecture, size or setting, or a value that is not allowed.
    """
    if arch not in ARCHITECTURES:
        raise SettingError(f"no neural architecture is called {arch!r}; there is {', '.join(ARCHITECTURES)}")
    if size not in SIZES:
        raise SettingError(f"no size is called {size!r}; there are {', '.join(SIZES)}")
    values = {**SIZES[size], **{name: value for name, value in overrides.items() if value is not None}}
    network_names = {field.name for field in fields(LstmSettings)}
    known = network_names | {field.name for field in fields(TrainSettings)}
    for name in values:
        if name not in known:
            raise SettingError(f"no setting is called {name!r}; there are {', '.join(sorted(known))}")
    network = replace(LstmSettings(), **{n: v for n, v in values.items() if n in network_names})
    training = replace(TrainSettings(), **{n: v for n, v in values.items() if n not in network_names})
    check(network)
    check(training)
    return network, training


def check(settings: LstmSettings | TrainSettings) -> None:
    """Raise SettingError for the first value that is not allowed."""
    for field in fields(settings):
        if field.name not in _ALLOWED:
            continue
        value, (allowed, holds) = getattr(settings, field.name), _ALLOWED[field.name]
        kinds = (int,) if isinstance(field.default, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not holds(value):
            raise SettingError(f"{field.name} is {value!r}; it must be {allowed}")
