"""Masked word prediction from both sides: the encoder of BERT (Devlin et al. 2019), with normalisation in front of each
part (Xiong et al. 2020) and rotary positions (Su et al. 2021)."""

from __future__ import annotations

from lmmix.neural.backend import torch
from lmmix.neural.batches import PADDING
from lmmix.neural.networks.network import Memory, Network
from lmmix.neural.networks.rotary import turned, turns
from lmmix.neural.shapes import MaskedSettings

Tensor = torch.Tensor

MASK = -2
"""Stands where a word was taken out."""


class MaskedNetwork(Network):
    """Embedding, blocks of attention in both directions, and the softmax that shares the embedding.

    It predicts the words at their own places, and has no memory: it sees a sentence as a whole. `MASK` stands for a
    word that it shall guess, `PADDING` for nothing at all, which no word sees.
    """

    settings: MaskedSettings

    def __init__(self, settings: MaskedSettings, n_words: int) -> None:
        super().__init__(settings, n_words)
        self.mask = torch.nn.Parameter(torch.zeros(settings.embedding))
        self.blocks = torch.nn.ModuleList(EncoderBlock(settings) for _ in range(settings.layers))
        self.norm = torch.nn.LayerNorm(settings.embedding)

    def initialise(self, counts: Tensor) -> None:
        """See `Network.initialise`; what the blocks add at first grows no stronger with their number."""
        super().initialise(counts)
        torch.nn.init.normal_(self.mask, std=0.05)
        for block in self.blocks:
            block.initialise((2.0 * self.settings.layers) ** -0.5)  # type: ignore[operator]

    def start(self, n: int) -> Memory:
        """No memory."""
        return ()

    def forward(self, words: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """(B, L, embedding) features of the word at each place of `words` (B, L) int64; `memory` is ()."""
        masked = (words == MASK)[..., None]
        values = torch.where(masked, self.mask, self.embedding(words.clamp(min=0)))
        values = _dropped(values, self.settings.dropout, self.training)
        seen = (words != PADDING)[:, None, None]  # (B, 1, 1, L)
        place = torch.arange(words.shape[1], device=words.device)
        turn = turns(place, self.settings.embedding // self.settings.heads)
        for block in self.blocks:
            values = block(values, seen, turn)
        return self.norm(values), ()


class EncoderBlock(torch.nn.Module):
    """Attention to all places and a hidden layer with GELU, each of which adds something to what it reads."""

    def __init__(self, settings: MaskedSettings) -> None:
        super().__init__()
        self.heads, self.dropout = settings.heads, settings.dropout
        size = settings.embedding
        self.attention_norm = torch.nn.LayerNorm(size)
        self.ask = torch.nn.Linear(size, 3 * size, bias=False)
        self.answer = torch.nn.Linear(size, size, bias=False)
        self.hidden_norm = torch.nn.LayerNorm(size)
        self.enter = torch.nn.Linear(size, settings.hidden)
        self.leave = torch.nn.Linear(settings.hidden, size, bias=False)

    def initialise(self, strength: float) -> None:
        """Draw the first weights; what the block adds is `strength` times what keeps the size of its input."""
        for layer, scale in ((self.ask, 1.0), (self.answer, strength), (self.enter, 1.0), (self.leave, strength)):
            torch.nn.init.normal_(layer.weight, std=scale * layer.in_features**-0.5)
        torch.nn.init.zeros_(self.enter.bias)

    def forward(self, values: Tensor, seen: Tensor, turn: Tensor) -> Tensor:
        """The values (B, L, embedding) behind the block; `seen` (B, 1, 1, L) bool says which places are looked at."""
        values = values + self._drop(self._attend(self.attention_norm(values), seen, turn))
        inner = torch.nn.functional.gelu(self.enter(self.hidden_norm(values)))
        return values + self._drop(self.leave(inner))

    def _attend(self, values: Tensor, seen: Tensor, turn: Tensor) -> Tensor:
        asked = self.ask(values).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2)  # (B, 3·heads, L, units)
        queries, keys, told = asked.chunk(3, 1)
        found = torch.nn.functional.scaled_dot_product_attention(
            turned(queries, turn), turned(keys, turn), told, attn_mask=seen
        )
        return self.answer(found.transpose(1, 2).flatten(2))

    def _drop(self, values: Tensor) -> Tensor:
        return _dropped(values, self.dropout, self.training)


def _dropped(values: Tensor, part: float, training: bool) -> Tensor:
    return torch.nn.functional.dropout(values, part, training)
