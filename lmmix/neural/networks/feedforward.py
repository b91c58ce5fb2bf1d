"""Feed-forward network over the last few words: Bengio, Ducharme, Vincent & Jauvin (2003)."""

from __future__ import annotations

import itertools

from lmmix.neural.backend import torch
from lmmix.neural.networks.network import Memory, Network, shared_dropout
from lmmix.neural.networks.windows import windows
from lmmix.neural.shapes import FeedForwardSettings

Tensor = torch.Tensor


class FeedForwardNetwork(Network):
    """The vectors of the last `order` − 1 words, side by side, through hidden layers with tanh, and the softmax that
    shares the vectors.

    Two things differ from the paper: the output layer has the words' vectors as its weights, and a word before the
    text is a vector of zeros. Direct connections from the vectors to the output are a linear layer beside the hidden
    ones. The memory is the vectors of the last `order` − 2 words, (n, order − 2, embedding).
    """

    settings: FeedForwardSettings

    def __init__(self, settings: FeedForwardSettings, n_words: int) -> None:
        super().__init__(settings, n_words)
        read = settings.embedding * (settings.order - 1)
        sizes = [read] + [settings.hidden] * settings.layers
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(size_in, size_out) for size_in, size_out in itertools.pairwise(sizes)
        )
        self.projection = torch.nn.Linear(settings.hidden, settings.embedding, bias=False)
        self.direct = torch.nn.Linear(read, settings.embedding, bias=False)

    def initialise(self, counts: Tensor) -> None:
        """See `Network.initialise`; the direct connections start at zero."""
        super().initialise(counts)
        torch.nn.init.zeros_(self.direct.weight)

    def start(self, n: int) -> Memory:
        """See `Network.start`."""
        return (torch.zeros((n, self.settings.order - 2, self.settings.embedding), device=self.device),)

    def forward(self, words: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See `Network.forward`."""
        read, last = windows(self._drop(self.embedding(words)), memory[0])
        values = read  # (B, L, (order − 1)·embedding)
        for layer in self.layers:
            values = self._drop(torch.tanh(layer(values)))  # (B, L, hidden)
        return self.projection(values) + self.direct(read), (last,)

    def _drop(self, values: Tensor) -> Tensor:
        return shared_dropout(values, self.settings.dropout, self.training)
