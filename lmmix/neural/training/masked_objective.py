"""Masked word prediction as the goal of training: Devlin et al. (2019), section 3.1."""

from __future__ import annotations

import numpy as np

from lmmix.neural.backend import torch
from lmmix.neural.batches import PADDING, Batch
from lmmix.neural.masked_model import is_word, whole_sequences
from lmmix.neural.networks.masked import MASK, MaskedNetwork
from lmmix.neural.networks.network import Memory
from lmmix.neural.training.objective import Objective
from lmmix.vocab import UNK

Tensor = torch.Tensor

REPLACED, LEFT = 0.1, 0.1
"""Parts of the words asked for in whose place stands another word, or the word itself; in the rest stands the mask."""


class MaskedWord(Objective):
    """−Σ ln p of some words, chosen by chance, each given all others of its sentence.

    The sum is over the words asked for, a part `asked` of all (at least one, and never `</s>`), and is multiplied so
    that it estimates the sum over all events.
    """

    network: MaskedNetwork

    def forward(self, batch: Batch, memory: Memory, generator: np.random.Generator) -> tuple[Tensor, Memory]:
        """See `Objective.forward`."""
        words = whole_sequences(batch)
        asked = self._chosen(words, generator)
        shown = self._corrupted(words, asked, generator)
        features, memory = self.features(shown, memory)
        features = features[torch.from_numpy(asked).to(features.device)]
        loss = self.network.loss(features, words[asked], self.precision, generator)
        return loss * ((batch.events != PADDING).sum() / max(1, asked.sum())), memory

    def _chosen(self, words: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """(B, L) bool: the words asked for."""
        places = np.flatnonzero(is_word(words))
        asked = np.zeros(words.shape, bool)
        if len(places):
            count = max(1, round(self.network.settings.asked * len(places)))
            asked.ravel()[generator.choice(places, count, replace=False)] = True
        return asked

    def _corrupted(self, words: np.ndarray, asked: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """`words` with what stands in place of those asked for."""
        chance = generator.random(asked.sum())
        other = generator.integers(self.network.embedding.num_embeddings - 2, size=len(chance))
        other = np.where(other == UNK, UNK, other + 2)  # any but <s> and </s>
        shown = words.copy()
        shown[asked] = np.where(chance < REPLACED, other, np.where(chance < REPLACED + LEFT, words[asked], MASK))
        return shown
