"""The softmax layer, in pieces that stay in the processor's cache."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lmmix.neural.backend import torch
from lmmix.neural.networks.sampling import Sampler
from lmmix.vocab import BOS

Tensor = torch.Tensor

PIECE = 1 << 20
"""Logits that exist at one time, about: 4 MB in float32."""


class Columns(NamedTuple):
    """What a step of training compares with: a logit for each of C words.

    `targets` int64 the columns of the words that were asked for; `weights` (C, embedding) and `bias` (C,) of the
    columns; `offsets` (C,) is added to the logit of a column in all rows but those where it is a target.
    """

    targets: Tensor
    weights: Tensor
    bias: Tensor
    offsets: Tensor


class TiedSoftmax(torch.nn.Module):
    """A softmax over all words, whose weights are the words' vectors.

    Attributes
    ----------
    bias : (V,) parameter
    sampler : Sampler, optional
        Chooses the words that a step of training compares with; None is all. Probabilities are always exact.
    """

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(n_words))
        self.sampler: Sampler | None = None

    def initialise(self, counts: Tensor) -> None:
        """Start at the unigram model of `counts` (V,)."""
        with torch.no_grad():
            self.bias.copy_(((counts + 1.0) / (counts + 1.0).sum()).log())

    def event_logp(self, features: Tensor, events: Tensor, vectors: Tensor, rows: Tensor | None = None) -> Tensor:
        """(m,) float64 ln p of `events` (m,) from `features` (n, embedding); see `Network.event_logp`."""
        return event_logp(features, events, vectors, self._event_bias(), rows)

    def distribution(self, features: Tensor, vectors: Tensor) -> Tensor:
        """(n, V) float64 probabilities from `features` (n, embedding)."""
        return torch.softmax(torch.addmm(self._event_bias(), features, vectors.t()).double(), 1)

    def loss(
        self,
        features: Tensor,
        events: np.ndarray,
        vectors: Tensor,
        precision: torch.dtype,
        generator: np.random.Generator,
    ) -> Tensor:
        """−Σ ln p of `events` (n,), with gradients; estimated if there is a sampler."""
        return softmax_loss(features, *self.columns(events, vectors, generator), precision)

    def columns(self, events: np.ndarray, vectors: Tensor, generator: np.random.Generator) -> Columns:
        """The columns of a step that holds `events`, ids of any shape: all words, or a sample if there is a sampler."""
        bias = self._event_bias()
        if self.sampler is None:
            return Columns(torch.from_numpy(events).to(bias.device), vectors, bias, torch.zeros_like(bias))
        sample = self.sampler.draw(events, generator)
        words, targets, offsets = (torch.from_numpy(array).to(bias.device) for array in sample)
        # `embedding` and not an index: its backward pass adds up in the same order in every run.
        lookup = torch.nn.functional.embedding
        return Columns(targets, lookup(words, vectors), lookup(words, bias[:, None])[:, 0], offsets)

    def _event_bias(self) -> Tensor:
        """(V,) bias; that of `<s>`, which is no event, is −inf."""
        never = torch.zeros_like(self.bias, dtype=torch.bool)
        never[BOS] = True
        return self.bias.masked_fill(never, -torch.inf)


def pieces(events: int, columns: int) -> list[slice]:
    """`events` rows of logits over `columns` words in pieces that stay in the cache."""
    step = max(16, PIECE // columns)
    return [slice(start, start + step) for start in range(0, events, step)]


def event_logp(features: Tensor, events: Tensor, weights: Tensor, bias: Tensor, rows: Tensor | None = None) -> Tensor:
    """(m,) float64 ln p of `events` (m,) from `features` (n, embedding), those of `rows` (m,), ascending; None: all."""
    found = torch.empty(len(events), dtype=torch.float64, device=features.device)
    rows = torch.arange(len(events), device=features.device) if rows is None else rows
    for piece in pieces(len(features), len(bias)):
        here = slice(*torch.searchsorted(rows, torch.tensor([piece.start, piece.stop], device=rows.device)).tolist())
        logp = torch.log_softmax(torch.addmm(bias, features[piece], weights.t()), 1)
        found[here] = logp[rows[here] - piece.start, events[here]].double()
    return found


def softmax_loss(
    features: Tensor, targets: Tensor, weights: Tensor, bias: Tensor, offsets: Tensor, dtype: torch.dtype
) -> Tensor:
    """−Σ ln p, with gradients, of a softmax over C columns.

    Parameters
    ----------
    features : (n, embedding)
        What the network says.
    targets : (n,) int64
        The column that came.
    weights, bias : (C, embedding), (C,)
        The columns.
    offsets : (C,)
        Constants added to the logit of a column in all rows but those where it is the target.
    dtype
        Type of the matrix products; everything else is float32.
    """
    return _SoftmaxLoss.apply(features, targets, weights, bias, offsets, dtype)


class _SoftmaxLoss(torch.autograd.Function):
    """The gradient is known as soon as the probabilities are, so it is made at once and they are dropped.

    That saves the (n, C) logits and several passes over them: a third of the time of `cross_entropy`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        targets: Tensor,
        weights: Tensor,
        bias: Tensor,
        offsets: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        inputs, columns, constants = features.to(dtype), weights.to(dtype), bias + offsets
        to_features, to_weights = torch.empty_like(features), torch.zeros_like(weights)
        to_bias, loss = torch.zeros_like(bias), torch.zeros((), device=bias.device)
        for rows in pieces(len(targets), len(bias)):
            target = targets[rows, None]
            logits = torch.mm(inputs[rows], columns.t()).float()
            own = logits.gather(1, target) + bias[target]
            logits.add_(constants).scatter_(1, target, own)
            slope = torch.softmax(logits, 1)
            # At its peak softmax is exp(peak − ln Σ exp): no second pass of exponentials is needed.
            loss += (logits.amax(1) - slope.amax(1).log_() - own[:, 0]).sum()
            slope.scatter_add_(1, target, slope.new_full(target.shape, -1.0))
            to_bias += slope.sum(0)
            slope = slope.to(dtype)
            to_features[rows] = torch.mm(slope, columns)
            to_weights += torch.mm(slope.t(), inputs[rows])
        ctx.save_for_backward(to_features, to_weights, to_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        to_features, to_weights, to_bias = ctx.saved_tensors
        return to_features * slopes[0], None, to_weights * slopes[0], to_bias * slopes[0], None, None
