"""What every network that predicts the next word has in common."""

from __future__ import annotations

import numpy as np

from lmmix.neural.backend import torch
from lmmix.neural.networks.adaptive_softmax import AdaptiveSoftmax
from lmmix.neural.networks.softmax import TiedSoftmax
from lmmix.neural.settings import find_architecture, find_class
from lmmix.neural.shapes import NetworkSettings

Tensor = torch.Tensor

Memory = tuple[Tensor, ...]
"""What a network keeps of n texts that it reads; every tensor is (n, …), and all zeros before the first word."""


class Network(torch.nn.Module):
    """Words in, features of the next word out; the output layer makes probabilities of them.

    A subclass reads words in `forward` and says in `start` what it remembers.

    Attributes
    ----------
    arch : str
        The name of its architecture.
    settings : NetworkSettings
        Its shape; the class of the settings is that of the architecture.
    embedding : torch.nn.Embedding
        (V, embedding) vectors of the words, which the output layer shares (Press & Wolf 2017).
    output : torch.nn.Module
        `softmax.TiedSoftmax` or `adaptive_softmax.AdaptiveSoftmax`.
    """

    def __init__(self, settings: NetworkSettings, n_words: int) -> None:
        super().__init__()
        self.arch = ""
        self.settings = settings
        self.embedding = torch.nn.Embedding(n_words, settings.embedding)
        self.output: TiedSoftmax | AdaptiveSoftmax = (
            AdaptiveSoftmax(n_words, settings.embedding) if settings.softmax == "adaptive" else TiedSoftmax(n_words)
        )

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.embedding.weight.device

    def initialise(self, counts: Tensor) -> None:
        """Draw the first weights; the output starts at the unigram model of `counts` (V,)."""
        torch.nn.init.normal_(self.embedding.weight, std=0.05)
        self.output.initialise(counts)

    def start(self, n: int) -> Memory:
        """The memory of `n` texts before their first word."""
        raise NotImplementedError

    def forward(self, words: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """(B, L, embedding) features behind each of `words` (B, L) int64, and the memory behind the last."""
        raise NotImplementedError

    def event_logp(self, features: Tensor, events: Tensor, rows: Tensor | None = None) -> Tensor:
        """(m,) float64 ln p of `events` (m,) from `features` (n, embedding).

        `rows` (m,), ascending, says which of the features each event follows; by default one event each.
        """
        return self.output.event_logp(features, events, self.embedding.weight, rows)

    def distribution(self, features: Tensor) -> Tensor:
        """(n, V) float64 probabilities of every event from `features` (n, embedding)."""
        return self.output.distribution(features, self.embedding.weight)

    def loss(
        self, features: Tensor, events: np.ndarray, precision: torch.dtype, generator: np.random.Generator
    ) -> Tensor:
        """−Σ ln p of `events` (n,), with gradients; matrix products in `precision`, chance from `generator`."""
        return self.output.loss(features, events, self.embedding.weight, precision, generator)


def make_network(arch: str, settings: NetworkSettings, n_words: int) -> Network:
    """A network of the architecture called `arch`, with weights that `initialise` has still to draw."""
    network: Network = find_class(find_architecture(arch).network)(settings, n_words)
    network.arch = arch
    return network


def taken(memory: Memory, rows: Tensor) -> Memory:
    """The memory of the texts in `rows`, each any number of times."""
    return tuple(tensor[rows] for tensor in memory)


def forgotten(memory: Memory, rows: Tensor) -> Memory:
    """The memory with `rows` (n,) bool back before the first word."""
    return tuple(
        tensor.masked_fill(rows.reshape(-1, *[1] * (tensor.dim() - 1)), 0) if tensor.numel() else tensor
        for tensor in memory
    )


def detached(memory: Memory) -> Memory:
    """The memory without the history of its gradients."""
    return tuple(tensor.detach() for tensor in memory)


def shared_dropout(values: Tensor, part: float, training: bool) -> Tensor:
    """Dropout that leaves out the same units at all places of a text: Gal & Ghahramani (2016). `values` (B, L, ·)."""
    if not training or part == 0.0:
        return values
    mask = torch.empty_like(values[:, :1], dtype=torch.float32).bernoulli_(1.0 - part)
    return values * (mask / (1.0 - part)).to(values.dtype)
