"""The Transformer decoder (Vaswani et al. 2017) in the form of Llama (Touvron et al. 2023): normalisation in front of
each part by the root mean square (Zhang & Sennrich 2019), rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020),
keys and values that several heads share (Ainslie et al. 2023), a sliding window (Beltagy et al. 2020)."""

from __future__ import annotations

from typing import Any, NamedTuple

from lmmix.neural.backend import torch
from lmmix.neural.networks.network import Memory, Network, shared_dropout
from lmmix.neural.networks.rotary import turned, turns
from lmmix.neural.shapes import TransformerSettings

Tensor = torch.Tensor

EPSILON = 1e-5
"""Added to mean squares."""


class TransformerNetwork(Network):
    """Embedding, blocks of attention and SwiGLU, and the softmax that shares the embedding.

    A word sees itself and the `window` − 1 words before it, in each layer, in training and in scoring alike. In
    training `dropout` leaves out units of the embeddings and of what each part adds, the same at all places of a text.

    The memory is, for each layer, the keys and the values of the last words, at most `window` − 1 of them, both
    (n, layers, words, kv_heads, units), and how many of these words each text has really read, (n,): the last ones.
    Keys are kept unturned: only distances count, so positions are those from the first word of a slab, and stay small
    and exact however long the text is.
    """

    settings: TransformerSettings

    def __init__(self, settings: TransformerSettings, n_words: int) -> None:
        super().__init__(settings, n_words)
        self.blocks: Any = torch.nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = RootMeanSquareNorm(settings.embedding)

    def initialise(self, counts: Tensor) -> None:
        """See `Network.initialise`; what the parts add at first grows no stronger with their number."""
        super().initialise(counts)
        for block in self.blocks:
            block.initialise((2.0 * self.settings.layers) ** -0.5)

    def start(self, n: int) -> Memory:
        """See `Network.start`."""
        shape = self.settings
        nothing = torch.zeros((n, shape.layers, 0, shape.kv_heads, shape.head_units), device=self.device)
        return nothing, nothing, torch.zeros(n, dtype=torch.int64, device=self.device)

    def forward(self, words: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """See `Network.forward`."""
        # Nothing is forgotten in training, so that there is nothing to leave out, and no need to look.
        keys, values, known = memory if self.training else _without_unread(memory)
        past, length = keys.shape[2], words.shape[1]
        view = View.of(known, past, length, self.settings)
        stream = _dropped(self.embedding(words), self)  # (B, L, embedding)
        kept = slice(max(0, past + length - self.settings.window + 1), None)
        behind = []
        for level, block in enumerate(self.blocks):
            stream, all_keys, all_values = block(stream, keys[:, level], values[:, level], view)
            behind.append((all_keys[:, kept], all_values[:, kept]))
        last_keys, last_values = (torch.stack(tensors, 1) for tensors in zip(*behind))
        return self.norm(stream), (last_keys, last_values, (known + length).clamp(max=last_keys.shape[2]))


class View(NamedTuple):
    """Where the words of a slab stand and what they see: S = words remembered + L of the slab.

    `turns` (S, 1, units / 2) complex, of length 1, turn the pairs of units of the word at each place; `visible`
    (B or 1, 1, L, S) bool says which words each word sees, None means all up to itself.
    """

    turns: Tensor
    visible: Tensor | None

    @classmethod
    def of(cls, known: Tensor, past: int, length: int, settings: TransformerSettings) -> View:
        """The view of `length` words behind `past` others, of which `known` (B,) are real."""
        place = torch.arange(-past, length, device=known.device)
        visible = None
        if past or length > settings.window:
            distance = place[past:, None] - place
            near = (distance >= 0) & (distance < settings.window)
            visible = (near & (place >= -known[:, None, None]))[:, None]
        return cls(turns(place, settings.head_units)[:, None], visible)


class Block(torch.nn.Module):
    """Attention and SwiGLU, each of which adds something to the stream that it reads."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.settings = settings
        size, units = settings.embedding, settings.head_units
        self.attention_norm = RootMeanSquareNorm(size)
        # Queries, keys and values; gate and input of SwiGLU: fewer, larger products are faster.
        self.ask = torch.nn.Linear(size, (settings.heads + 2 * settings.kv_heads) * units, bias=False)
        self.answer = torch.nn.Linear(size, size, bias=False)
        self.hidden_norm = RootMeanSquareNorm(size)
        self.enter = torch.nn.Linear(size, 2 * settings.hidden, bias=False)
        self.leave = torch.nn.Linear(settings.hidden, size, bias=False)

    def initialise(self, strength: float) -> None:
        """Draw the first weights; what the block adds is `strength` times what keeps the size of its input."""
        for layer, scale in ((self.ask, 1.0), (self.answer, strength), (self.enter, 1.0), (self.leave, strength)):
            torch.nn.init.normal_(layer.weight, std=scale * layer.in_features**-0.5)

    def forward(self, stream: Tensor, keys: Tensor, values: Tensor, view: View) -> tuple[Tensor, Tensor, Tensor]:
        """The stream (B, L, embedding) behind the block, and all keys and values (B, S, kv_heads, units)."""
        found, keys, values = self._attend(self.attention_norm(stream), keys, values, view)
        stream = stream + _dropped(found, self)
        gate, inner = self.enter(self.hidden_norm(stream)).chunk(2, -1)
        return stream + _dropped(self.leave(torch.nn.functional.silu(gate) * inner), self), keys, values

    def _attend(self, stream: Tensor, keys: Tensor, values: Tensor, view: View) -> tuple[Tensor, Tensor, Tensor]:
        heads, kv_heads = self.settings.heads, self.settings.kv_heads
        asked = self.ask(stream).unflatten(-1, (heads + 2 * kv_heads, -1))  # (B, L, all heads, units)
        queries, new_keys, new_values = asked.split([heads, kv_heads, kv_heads], 2)
        keys = torch.cat([keys.to(asked.dtype), new_keys], 1)
        values = torch.cat([values.to(asked.dtype), new_values], 1)
        found = torch.nn.functional.scaled_dot_product_attention(
            turned(queries, view.turns[-queries.shape[1] :]).transpose(1, 2),
            turned(keys, view.turns).repeat_interleave(heads // kv_heads, 2).transpose(1, 2),
            values.repeat_interleave(heads // kv_heads, 2).transpose(1, 2),
            attn_mask=view.visible,
            is_causal=view.visible is None,
        )
        return self.answer(found.transpose(1, 2).flatten(2)), keys, values


class RootMeanSquareNorm(torch.nn.Module):
    """Values (…, size) divided by the root of their mean square, with a gain for each unit."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(size))

    def forward(self, values: Tensor) -> Tensor:
        """The values normalised."""
        return values * torch.rsqrt(values.square().mean(-1, keepdim=True) + EPSILON) * self.gain


def _without_unread(memory: Memory) -> Memory:
    """The memory without the places that no text has read, which is all of it once every text was forgotten."""
    keys, values, known = memory
    unread = keys.shape[2] - int(known.max())
    return keys[:, :, unread:], values[:, :, unread:], known


def _dropped(values: Tensor, part: Block | TransformerNetwork) -> Tensor:
    return shared_dropout(values, part.settings.dropout, part.training)
