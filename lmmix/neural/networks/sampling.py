"""A softmax over a few words: the sum over the vocabulary estimated from a sample, for training only.

Word i joins the sample of a step with probability π_i, which grows with its count and is 1 for the most
frequent words. Σ_i exp(l_i) is then estimated without bias by Σ_{i in sample} exp(l_i) / π_i (Horvitz &
Thompson 1952); the target itself always counts, with weight 1. Sampling words for a softmax goes back to
Bengio & Senécal (2003, 2008). Unlike noise-contrastive estimation the network stays a normal one, whose
probabilities the full softmax makes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lmmix.vocab import BOS

FLATTEN = 0.75
"""π_i is proportional to count_i to this power, below 1."""


def inclusion_probabilities(counts: np.ndarray, samples: int) -> np.ndarray:
    """(V,) float64: π of each word, given its count (V,), such that `samples` words are drawn on average.

    `<s>` has 0. All other words have 1 if `samples` is 0 or covers the vocabulary.
    """
    share = (counts + 1.0) ** FLATTEN
    share[BOS] = 0.0
    if samples == 0 or samples >= len(counts) - 1:
        return np.ceil(np.minimum(share, 1.0))
    descending = np.sort(share)[::-1]
    tail = np.cumsum(descending[::-1])[::-1]
    # With the k greatest at 1, the others share what is left; k is right once the next one stays below 1.
    scales = (samples - np.arange(samples)) / tail[:samples]
    k = int(np.argmax(scales * descending[:samples] < 1.0))
    return np.minimum(1.0, scales[k] * share)


class Sample(NamedTuple):
    """The words that one step of training compares with.

    `words` (C,) int64 ids, ascending; `targets` int64 the place among them of each word that was asked for; `offsets`
    (C,) float32 what is added to a word's logit where it is not the target: −ln π, and −inf if it was not drawn.
    """

    words: np.ndarray
    targets: np.ndarray
    offsets: np.ndarray


class Sampler:
    """Draws words, each with a probability of its own, `chances` (V,)."""

    def __init__(self, chances: np.ndarray) -> None:
        self.chances = chances
        with np.errstate(divide="ignore"):
            self.offsets = -np.log(chances)

    def draw(self, events: np.ndarray, generator: np.random.Generator) -> Sample:
        """A sample that holds `events`, an array of ids of any shape."""
        sampled = generator.random(len(self.chances)) < self.chances
        joined = sampled.copy()
        joined[events] = True
        words = np.flatnonzero(joined)
        offsets = np.where(sampled[words], self.offsets[words], -np.inf).astype(np.float32)
        return Sample(words, (np.cumsum(joined) - 1)[events], offsets)
