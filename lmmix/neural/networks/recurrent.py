"""Recurrent networks: simple (Elman 1990; Mikolov et al. 2010), GRU (Cho et al. 2014) and LSTM (Hochreiter &
Schmidhuber 1997), with the regularisation of AWD-LSTM (Merity et al. 2018)."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

from lmmix.neural.backend import torch
from lmmix.neural.networks.network import Memory, Network, shared_dropout
from lmmix.neural.shapes import RecurrentSettings

Tensor = torch.Tensor


class RecurrentNetwork(Network):
    """Embedding, recurrent layers with dropout around them, and the softmax that shares the embedding.

    In training, `dropout` leaves out units of the embeddings, between layers and of the output, the same at all
    places of a text; `word_dropout` leaves out whole words of the vocabulary; `weight_drop` leaves out weights
    between the hidden units of one time and the next (Wan et al. 2013). The memory is the hidden values of each
    layer, (n, layers, hidden), and for an LSTM the cells, too.
    """

    cell: ClassVar[Any]
    values: ClassVar[int] = 1
    """Numbers that a unit remembers."""

    settings: RecurrentSettings

    def __init__(self, settings: RecurrentSettings, n_words: int) -> None:
        super().__init__(settings, n_words)
        sizes = [settings.embedding] + [settings.hidden] * settings.layers
        self.layers = torch.nn.ModuleList(
            self.cell(size_in, size_out, batch_first=True) for size_in, size_out in itertools.pairwise(sizes)
        )
        self.projection: torch.nn.Linear | None = None
        if settings.hidden != settings.embedding:
            self.projection = torch.nn.Linear(settings.hidden, settings.embedding, bias=False)

    def initialise(self, counts: Tensor) -> None:
        """See `Network.initialise`; biases of layers start at zero."""
        super().initialise(counts)
        for layer in self.layers:
            for name, parameter in layer.named_parameters():
                if name.startswith("bias"):
                    torch.nn.init.zeros_(parameter)

    def start(self, n: int) -> Memory:
        """See `Network.start`."""
        zeros = torch.zeros((n, self.settings.layers, self.settings.hidden), device=self.device)
        return (zeros,) * self.values

    def forward(self, words: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See `Network.forward`."""
        values = self._drop(self._embedded(words))  # (B, L, embedding)
        behind = []
        for level, layer in enumerate(self.layers):
            before = tuple(tensor[:, level][None].contiguous() for tensor in memory)
            values, after = self._read(layer, values, before)
            values = self._drop(values)  # (B, L, hidden)
            behind.append(after)
        if self.projection is not None:
            values = self.projection(values)
        return values, tuple(torch.cat(tensors).transpose(0, 1) for tensors in zip(*behind))

    def _embedded(self, words: Tensor) -> Tensor:
        part = self.settings.word_dropout
        if not self.training or part == 0.0:
            return self.embedding(words)
        kept = torch.empty(self.embedding.num_embeddings, 1, device=self.device).bernoulli_(1.0 - part)
        return self.embedding(words) * torch.nn.functional.embedding(words, kept / (1.0 - part))

    def _read(self, layer: Any, values: Tensor, before: Memory) -> tuple[Tensor, Memory]:
        """One layer over all places: what it gives, and its memory, one tensor (1, B, hidden) a value of a unit."""
        state = before if self.values > 1 else before[0]
        if self.training and self.settings.weight_drop > 0.0:
            weight = torch.nn.functional.dropout(layer.weight_hh_l0, self.settings.weight_drop)
            values, after = torch.func.functional_call(layer, {"weight_hh_l0": weight}, (values, state))
        else:
            values, after = layer(values, state)
        return values, after if self.values > 1 else (after,)

    def _drop(self, values: Tensor) -> Tensor:
        return shared_dropout(values, self.settings.dropout, self.training)


class RnnNetwork(RecurrentNetwork):
    """Simple recurrent units with tanh."""

    cell = torch.nn.RNN


class GruNetwork(RecurrentNetwork):
    """Gated recurrent units."""

    cell = torch.nn.GRU


class LstmNetwork(RecurrentNetwork):
    """Long short-term memory: units with a cell beside their value."""

    cell = torch.nn.LSTM
    values = 2
