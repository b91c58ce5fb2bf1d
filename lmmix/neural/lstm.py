"""The LSTM network: words in, the vectors that predict the next word out."""

from __future__ import annotations

import itertools

from lmmix.neural.backend import torch
from lmmix.neural.settings import LstmSettings
from lmmix.vocab import BOS

Tensor = torch.Tensor
LstmState = tuple[Tensor, Tensor]
"""Hidden and cell values, each (layers, B, hidden) float32."""


class LstmNetwork(torch.nn.Module):
    """Embedding, LSTM layers with dropout around them, and a softmax layer that shares the embedding.

    The network ends before the softmax, whose cost is in the vocabulary: `softmax` and `sampling` go on
    from the features and from `output_weights`. Sharing one matrix between input and output: Press & Wolf
    (2017). Dropout leaves out the same units at all places of a sentence: Gal & Ghahramani (2016).
    """

    def __init__(self, settings: LstmSettings, n_words: int) -> None:
        super().__init__()
        nn = torch.nn
        self.settings = settings
        self.embedding = nn.Embedding(n_words, settings.embedding)
        self.bias = nn.Parameter(torch.zeros(n_words))
        sizes = [settings.embedding] + [settings.hidden] * settings.layers
        self.layers = nn.ModuleList(
            nn.LSTM(size_in, size_out, batch_first=True) for size_in, size_out in itertools.pairwise(sizes)
        )
        self.projection: torch.nn.Linear | None = None
        if settings.hidden != settings.embedding:
            self.projection = nn.Linear(settings.hidden, settings.embedding, bias=False)

    def initialise(self, counts: Tensor) -> None:
        """Draw the first weights; the output bias starts at the unigram model of `counts` (V,)."""
        torch.nn.init.normal_(self.embedding.weight, std=0.05)
        for layer in self.layers:
            for name, parameter in layer.named_parameters():
                if name.startswith("bias"):
                    torch.nn.init.zeros_(parameter)
        with torch.no_grad():
            self.bias.copy_(((counts + 1.0) / (counts + 1.0).sum()).log())

    def start(self, n: int) -> LstmState:
        """The zero state of `n` sentences."""
        shape = (self.settings.layers, n, self.settings.hidden)
        zeros = torch.zeros(shape, device=self.bias.device)
        return zeros, zeros

    def forward(self, words: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """(B, L, embedding) features behind each of `words` (B, L) int64, and the state behind the last."""
        values = self._drop(self.embedding(words))  # (B, L, embedding)
        hidden, cell = [], []
        for level, layer in enumerate(self.layers):
            values, (h, c) = layer(values, (state[0][level : level + 1], state[1][level : level + 1]))
            values = self._drop(values)  # (B, L, hidden)
            hidden.append(h)
            cell.append(c)
        if self.projection is not None:
            values = self.projection(values)
        return values, (torch.cat(hidden), torch.cat(cell))

    def _drop(self, values: Tensor) -> Tensor:
        keep = 1.0 - self.settings.dropout
        if not self.training or keep == 1.0:
            return values
        mask = torch.empty_like(values[:, :1], dtype=torch.float32).bernoulli_(keep)
        return values * (mask / keep).to(values.dtype)

    def output_weights(self) -> tuple[Tensor, Tensor]:
        """(V, embedding) weights and (V,) bias of the softmax; the bias of `<s>`, which is no event, is −inf."""
        never = torch.zeros_like(self.bias, dtype=torch.bool)
        never[BOS] = True
        return self.embedding.weight, self.bias.masked_fill(never, -torch.inf)
