"""The loss of distillation with its gradient, in pieces that stay in the processor's cache."""

from __future__ import annotations

from typing import Any

from lmmix.neural.backend import torch
from lmmix.neural.networks.softmax import Columns, pieces

Tensor = torch.Tensor

LEAST = 1e-30
"""Probability of all other words below which there are none in the sample."""


def soft_loss(
    features: Tensor, columns: Columns, p: Tensor, temperature: float, soft_weight: float, dtype: torch.dtype
) -> Tensor:
    """Σ over events of (1 − a) · (−ln q(w)) + a · T² · KL(p ‖ q_T), with gradients (Hinton, Vinyals & Dean 2015).

    q is the student's distribution behind an event's history, q_T the softmax of its logits divided by T. The teacher
    gives the probabilities of k words, and all others are one outcome to it:

        KL(p ‖ q_T) = Σ_{i ≤ k} p_i ln (p_i / q_i) + p_rest ln (p_rest / q_rest),  p_rest = 1 − Σ p_i

    so that it never says how likely one of the others is. Where the columns hold no other word, the rest is left out.

    Parameters
    ----------
    features : (n, embedding)
        What the student says.
    columns : Columns
        Their `targets` are (n, 1 + k): the word that came, and the teacher's words, no two of these alike.
    p : (n, k) float32
        The teacher's probabilities at the temperature.
    temperature, soft_weight : float
        T and a.
    dtype
        Type of the matrix products; everything else is float32.
    """
    return _SoftLoss.apply(features, columns.weights, columns.bias, columns, p, temperature, soft_weight, dtype)


class _SoftLoss(torch.autograd.Function):
    """As `softmax._SoftmaxLoss`, the gradient is made at once."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weights: Tensor,
        bias: Tensor,
        columns: Columns,
        p: Tensor,
        temperature: float,
        soft_weight: float,
        dtype: torch.dtype,
    ) -> Tensor:
        inputs, vectors = features.to(dtype), weights.to(dtype)
        to_features, to_weights = torch.empty_like(features), torch.zeros_like(weights)
        to_bias, loss = torch.zeros_like(bias), torch.zeros((), device=bias.device)
        for rows in pieces(len(p), 2 * len(bias)):
            targets = columns.targets[rows]
            logits = torch.mm(inputs[rows], vectors.t()).float().add_(bias)
            q, logq = _softmax(logits, columns.offsets, targets, 1.0)
            hot, hot_logq = q, logq
            if temperature != 1.0:
                hot, hot_logq = _softmax(logits, columns.offsets, targets, temperature)
            kl, slope = _divergence(hot, hot_logq[:, 1:], targets[:, 1:], p[rows])
            hard = -logq[:, 0]
            loss += (1.0 - soft_weight) * hard.sum() + soft_weight * temperature**2 * kl.sum()
            slope.mul_(soft_weight * temperature).add_(q, alpha=1.0 - soft_weight)
            slope.scatter_add_(1, targets[:, :1], slope.new_full((len(slope), 1), soft_weight - 1.0))
            to_bias += slope.sum(0)
            slope = slope.to(dtype)
            to_features[rows] = torch.mm(slope, vectors)
            to_weights += torch.mm(slope.t(), inputs[rows])
        ctx.save_for_backward(to_features, to_weights, to_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        to_features, to_weights, to_bias = (tensor * slopes[0] for tensor in ctx.saved_tensors)
        return to_features, to_weights, to_bias, None, None, None, None, None


def _softmax(logits: Tensor, offsets: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(n, C) q, the softmax of the logits over the temperature, and (n, 1 + k) ln q of the targets; the offsets count
    wherever no target is."""
    own = logits.gather(1, targets) / temperature
    heated = torch.add(offsets, logits, alpha=1.0 / temperature).scatter_(1, targets, own)
    q = torch.softmax(heated, 1)
    # At its peak softmax is exp(peak − ln Σ exp).
    total = heated.amax(1, keepdim=True) - q.amax(1, keepdim=True).log_()
    return q, own - total


def _divergence(q: Tensor, logq: Tensor, targets: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) KL(p ‖ q) and T times its slope by the (n, C) logits; `q` is (n, C), `logq` (n, k) that of the targets."""
    at_targets = q.gather(1, targets)
    slope = q.scatter(1, targets, 0.0)
    q_rest = slope.sum(1, keepdim=True)
    p_rest = (1.0 - p.sum(1, keepdim=True)).clamp_min_(0.0).masked_fill_(q_rest <= LEAST, 0.0)
    q_rest.clamp_min_(LEAST)
    mass = p.sum(1, keepdim=True) + p_rest
    kl = torch.where(p > 0, p * (p.log() - logq), 0.0).sum(1) + (torch.xlogy(p_rest, p_rest / q_rest))[:, 0]
    slope.mul_(mass - p_rest / q_rest).scatter_(1, targets, mass * at_targets - p)
    return kl, slope
