"""A softmax over a few words: the sum over the vocabulary estimated from a sample, for training only.

Word i joins the sample of a step with probability π_i, which grows with its count and is 1 for the most
frequent words. Σ_i exp(l_i) is then estimated without bias by Σ_{i in sample} exp(l_i) / π_i (Horvitz &
Thompson 1952); the target itself always counts, with weight 1. Sampling words for a softmax goes back to
Bengio & Senécal (2003, 2008). Unlike noise-contrastive estimation the network stays a normal one, whose
probabilities the full softmax makes.
"""

from __future__ import annotations

import numpy as np

from lmmix.neural.backend import torch
from lmmix.vocab import BOS

Tensor = torch.Tensor

FLATTEN = 0.75
"""π_i is proportional to count_i to this power, below 1."""


def inclusion_probabilities(counts: np.ndarray, samples: int) -> np.ndarray | None:
    """(V,) float64 π of each word such that `samples` words are drawn on average; 0 for `<s>`.

    `counts` is (V,). None means that no sampling is needed: `samples` is 0 or covers the vocabulary.
    """
    if samples == 0 or samples >= len(counts) - 1:
        return None
    share = (counts + 1.0) ** FLATTEN
    share[BOS] = 0.0
    descending = np.sort(share)[::-1]
    tail = np.cumsum(descending[::-1])[::-1]
    # With the k greatest at 1, the others share what is left; k is right once the next one stays below 1.
    for k in range(samples):
        scale = (samples - k) / tail[k]
        if scale * descending[k] < 1.0:
            break
    return np.minimum(1.0, scale * share)


class SampledSoftmax:
    """Draws a sample for each step and gives the loss against it."""

    def __init__(self, chances: np.ndarray, device: torch.device) -> None:
        self.chances = chances
        self.log_chances = torch.from_numpy(np.log(np.maximum(chances, 1e-300))).float().to(device)

    def loss(
        self,
        features: Tensor,
        events: Tensor,
        weights: Tensor,
        bias: Tensor,
        dtype: torch.dtype,
        generator: np.random.Generator,
    ) -> Tensor:
        """−Σ ln p of `events` (n,), estimated, given `features` (n, embedding); products in `dtype`."""
        drawn = np.flatnonzero(generator.random(len(self.chances)) < self.chances)
        sample = torch.from_numpy(drawn).to(features.device)
        # `embedding` and not an index: its backward pass adds up in the same order in every run.
        rows = torch.nn.functional.embedding(torch.cat([sample, events]), weights)
        biases = torch.nn.functional.embedding(torch.cat([sample, events]), bias[:, None])[:, 0]
        size = len(sample)
        own = (features * rows[size:]).sum(1) + biases[size:]
        logits = torch.mm(features.to(dtype), rows[:size].to(dtype).t()).float()
        logits = logits + (biases[:size] - self.log_chances[sample])
        place = torch.searchsorted(sample, events).clamp_(max=size - 1)
        hit = torch.nonzero(sample[place] == events)[:, 0]
        logits[hit, place[hit]] = -torch.inf
        return (torch.logaddexp(torch.logsumexp(logits, 1), own) - own).sum()
