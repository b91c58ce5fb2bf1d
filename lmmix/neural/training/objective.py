"""What a step of training makes small."""

from __future__ import annotations

import numpy as np

from lmmix.neural.backend import ids_on, torch
from lmmix.neural.batches import PADDING, Batch
from lmmix.neural.networks.network import Memory, Network

Tensor = torch.Tensor


class Objective(torch.nn.Module):
    """What a step of training makes small.

    Attributes
    ----------
    network : Network
    precision : torch.dtype
        Of the matrix products.
    remedy : str
        What else than a lower learning rate may help if the loss is no number.
    """

    remedy = ""

    def __init__(self, network: Network, precision: torch.dtype) -> None:
        super().__init__()
        self.network, self.precision = network, precision

    def forward(self, batch: Batch, memory: Memory, generator: np.random.Generator) -> tuple[Tensor, Memory]:
        """The loss of a batch, summed over its events, and the memory behind it; chance comes from `generator`."""
        raise NotImplementedError

    def features(self, words: np.ndarray, memory: Memory) -> tuple[Tensor, Memory]:
        """(B, L, embedding) float32 what the network says of `words` (B, L), and its memory behind them."""
        device = self.network.device
        with torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32):
            features, memory = self.network(ids_on(device, words), memory)
        return features.float(), memory


class NextWord(Objective):
    """−Σ ln p of the words that came, each given those before it."""

    def forward(self, batch: Batch, memory: Memory, generator: np.random.Generator) -> tuple[Tensor, Memory]:
        """See `Objective.forward`."""
        real = batch.events != PADDING
        features, memory = self.features(batch.inputs, memory)
        features = features[torch.from_numpy(real).to(features.device)]
        return self.loss(features, batch.events[real], batch.places[real], generator), memory

    def loss(self, features: Tensor, events: np.ndarray, places: np.ndarray, generator: np.random.Generator) -> Tensor:
        """The loss of `events` (n,), which stand at `places` (n,) of the text, from `features` (n, embedding)."""
        return self.network.loss(features, events, self.precision, generator)
