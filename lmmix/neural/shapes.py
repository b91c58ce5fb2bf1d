"""The shapes of networks, by architecture."""

from __future__ import annotations

from dataclasses import dataclass

from lmmix.errors import SettingError
from lmmix.neural import allowed
from lmmix.neural.allowed import COUNT, LAYERS, PART, PART_ABOVE_0, TWO_OR_MORE, check_settings, one_of


@dataclass(frozen=True)
class NetworkSettings:
    """The shape of any network.

    Attributes
    ----------
    embedding : int
        Size of a word's vector, in and out (they are one).
    dropout : float
        Part of the units left out in training.
    softmax : {"full", "adaptive"}
        The output layer: one softmax over all words, or one over the frequent words and groups of rarer ones, for
        large vocabularies (`networks.adaptive_softmax`); this one is never sampled in training.
    """

    embedding: int = 128
    dropout: float = 0.2
    softmax: str = "full"

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
class FeedForwardSettings(NetworkSettings):
    """The shape of a feed-forward network.

    Attributes
    ----------
    order : int
        Words in the n-grams that it models: it reads the `order` − 1 before a word.
    hidden : int
        Size of each hidden layer.
    layers : int
        Hidden layers.
    """

    order: int = 5
    hidden: int = 256
    layers: int = 1


@dataclass(frozen=True)
class ConvolutionSettings(NetworkSettings):
    """The shape of a network of gated convolutions.

    Attributes
    ----------
    hidden : int
        Size of each layer.
    layers : int
        Gated convolutions, one upon the other.
    kernel : int
        Places that a convolution sees: its own and those before.
    """

    hidden: int = 128
    layers: int = 3
    kernel: int = 4


@dataclass(frozen=True)
class MaskedSettings(NetworkSettings):
    """The shape of an encoder that guesses masked words, and how many.

    Attributes
    ----------
    hidden : int
        Units of the hidden layer of each block.
    layers : int
        Blocks of attention and hidden layer, one upon the other.
    heads : int
        Heads of the attention; they share out the embedding.
    asked : float
        Part of the words that a step of training asks for.
    """

    hidden: int = 512
    layers: int = 2
    heads: int = 4
    asked: float = 0.15

    def check_fit(self) -> None:
        """See `NetworkSettings.check_fit`."""
        _check_heads(self.embedding, self.heads)


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
        _check_heads(self.embedding, self.heads)
        if self.heads % self.kv_heads:
            raise SettingError(f"kv_heads is {self.kv_heads}; it must divide the number of heads, {self.heads}")


_ALLOWED: dict[str, allowed.Allowed] = {
    "embedding": COUNT,
    "dropout": PART,
    "softmax": one_of("full", "adaptive"),
    "hidden": COUNT,
    "layers": LAYERS,
    "word_dropout": PART,
    "weight_drop": PART,
    "order": TWO_OR_MORE,
    "kernel": TWO_OR_MORE,
    "heads": COUNT,
    "kv_heads": COUNT,
    "window": COUNT,
    "asked": PART_ABOVE_0,
}


def check_network(settings: NetworkSettings) -> None:
    """Raise SettingError for the first value that is not allowed."""
    check_settings(settings, _ALLOWED)
    settings.check_fit()


def _check_heads(embedding: int, heads: int) -> None:
    """Raise SettingError unless the heads share out the embedding in pairs of units, which positions turn."""
    if embedding % (2 * heads):
        raise SettingError(f"embedding is {embedding}; with {heads} heads it must be a multiple of {2 * heads}")


def network_rates() -> set[str]:
    """The settings of networks that matter in training only: parts that are left out by chance."""
    return {name for name, rule in _ALLOWED.items() if rule is PART}
