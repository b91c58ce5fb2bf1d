"""Gated convolutions: Dauphin, Fan, Auli & Grangier (2017), "Language modeling with gated convolutional networks"."""

from __future__ import annotations

from lmmix.neural.backend import torch
from lmmix.neural.networks.network import Memory, Network, shared_dropout
from lmmix.neural.networks.windows import windows
from lmmix.neural.shapes import ConvolutionSettings

Tensor = torch.Tensor


class GatedConvolution(torch.nn.Module):
    """x + a ⊙ σ(b), where a and b are linear in the normalised x of a place and of the `kernel` − 1 before it.

    The norm before it takes the part of the paper's weight normalisation: it keeps deep networks trainable.
    """

    def __init__(self, size: int, kernel: int) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(size)
        self.linear = torch.nn.Linear(kernel * size, 2 * size)

    def forward(self, values: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to `values` (B, L, size), and the last kernel − 1 inputs, `before` (B, kernel − 1, size)."""
        together, last = windows(self.norm(values), before)
        return torch.nn.functional.glu(self.linear(together), 2), last


class ConvolutionNetwork(Network):
    """Embedding, layers of gated convolutions over the words so far, and the softmax that shares the embedding.

    In training, `dropout` leaves out units of the embeddings and of what each layer adds, the same at all places of
    a text. The memory is the last `kernel` − 1 inputs of each layer, (n, layers, kernel − 1, hidden); zeros stand
    before the text.
    """

    settings: ConvolutionSettings

    def __init__(self, settings: ConvolutionSettings, n_words: int) -> None:
        super().__init__(settings, n_words)
        size = settings.hidden
        self.inlet = torch.nn.Linear(settings.embedding, size, bias=False)
        self.layers = torch.nn.ModuleList(GatedConvolution(size, settings.kernel) for _ in range(settings.layers))
        self.norm = torch.nn.LayerNorm(size)
        self.projection = torch.nn.Linear(size, settings.embedding, bias=False)

    def start(self, n: int) -> Memory:
        """See `Network.start`."""
        shape = (n, self.settings.layers, self.settings.kernel - 1, self.settings.hidden)
        return (torch.zeros(shape, device=self.device),)

    def forward(self, words: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See `Network.forward`."""
        values = self.inlet(self._drop(self.embedding(words)))  # (B, L, hidden)
        behind = []
        for level, layer in enumerate(self.layers):
            added, last = layer(values, memory[0][:, level])
            values = values + self._drop(added)
            behind.append(last)
        return self.projection(self._drop(self.norm(values))), (torch.stack(behind, 1),)

    def _drop(self, values: Tensor) -> Tensor:
        return shared_dropout(values, self.settings.dropout, self.training)
