"""The network and the training that word-level examples of PyTorch use, written for one epoch on a text as ids.

Two LSTM layers of 200 units with dropout 0.2, an output layer of its own over all words, 20 rows of text read 35 words
at a time, SGD at a learning rate of 20 with gradients clipped to 0.25.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn

ROWS, LENGTH, UNITS = 20, 35, 200


class WordModel(nn.Module):
    """Embedding, LSTM and output layer."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(n_words, UNITS)
        self.rnn = nn.LSTM(UNITS, UNITS, 2, dropout=0.2)
        self.decoder = nn.Linear(UNITS, n_words)
        for weight in (self.encoder.weight, self.decoder.weight):
            nn.init.uniform_(weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, words: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(L·B, V) logits behind `words` (L, B), and the state behind them."""
        values, state = self.rnn(self.drop(self.encoder(words)), state)
        return self.decoder(self.drop(values)).flatten(0, 1), state

    def start(self, rows: int) -> tuple[Tensor, Tensor]:
        """The zero state."""
        zeros = torch.zeros(2, rows, UNITS)
        return zeros, zeros


def one_epoch(train: np.ndarray, valid: np.ndarray, n_words: int, limit: int | None = None) -> dict[str, float]:
    """Tokens/s of one epoch over the ids `train`, or of `limit` steps, and the validation perplexity behind it."""
    torch.manual_seed(1)
    model = WordModel(n_words).train()
    loss = nn.CrossEntropyLoss()
    columns = _columns(train, ROWS)
    state = model.start(ROWS)
    starts = range(0, len(columns) - 1, LENGTH)[:limit]
    begun = time.perf_counter()
    for start in starts:
        words, targets = _step(columns, start)
        model.zero_grad()
        state = (state[0].detach(), state[1].detach())
        logits, state = model(words, state)
        loss(logits, targets.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for parameter in model.parameters():
            parameter.data.add_(parameter.grad, alpha=-20.0)
    seconds = time.perf_counter() - begun
    done = ROWS * min(len(starts) * LENGTH, len(columns) - 1)
    return {"tokens_per_second": done / seconds, "valid_ppl": _perplexity(model, valid) if limit is None else math.nan}


def _columns(ids: np.ndarray, rows: int) -> Tensor:
    """(L, rows): the text cut into stretches side by side; the remainder is left out."""
    length = len(ids) // rows
    return torch.from_numpy(ids[: length * rows].astype(np.int64)).view(rows, length).t().contiguous()


def _step(columns: Tensor, start: int) -> tuple[Tensor, Tensor]:
    length = min(LENGTH, len(columns) - 1 - start)
    return columns[start : start + length], columns[start + 1 : start + 1 + length]


@torch.no_grad()
def _perplexity(model: WordModel, ids: np.ndarray) -> float:
    model.eval()
    columns = _columns(ids, 10)
    state, total = model.start(10), 0.0
    for start in range(0, len(columns) - 1, LENGTH):
        words, targets = _step(columns, start)
        logits, state = model(words, state)
        total += nn.functional.cross_entropy(logits, targets.flatten(), reduction="sum").item()
    return math.exp(total / ((len(columns) - 1) * 10))
