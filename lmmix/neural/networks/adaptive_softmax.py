"""The adaptive softmax of Grave et al. (2017), "Efficient softmax approximation for GPUs".

The words are parted by frequency. One softmax, the head, runs over the frequent words and one class for each group of
rarer ones; a second one over the words of a group is needed only where one of them comes, which is seldom. All words
keep vectors of full size, which are those of the input (as in Baevski & Auli 2019), so nothing is approximated: the
probabilities are exact and the training loss is the true one.
"""

from __future__ import annotations

import itertools

import numpy as np

from lmmix.neural.backend import torch
from lmmix.neural.networks.softmax import event_logp, softmax_loss
from lmmix.vocab import BOS

Tensor = torch.Tensor

PARTS = (20, 4)
"""The head has a 20th of the vocabulary, the first group goes to a 4th, the second has the rest."""


class AdaptiveSoftmax(torch.nn.Module):
    """A softmax over frequent words and groups of rarer ones, whose weights are the words' vectors.

    Attributes
    ----------
    order : (V,) int64 buffer
        The words from the most to the least frequent, `<s>` last.
    bias : (V,) parameter
        By word.
    group_vectors, group_bias : (G, embedding), (G,) parameters
        Of the classes that stand for groups in the head; there are none in a vocabulary of a few words.
    """

    order: Tensor

    def __init__(self, n_words: int, embedding: int) -> None:
        super().__init__()
        cuts = [n_words // part for part in PARTS] if n_words >= 2 * PARTS[0] else []
        ends = [0, *cuts, n_words]
        self.sizes = [end - start for start, end in itertools.pairwise(ends)]
        self.bias = torch.nn.Parameter(torch.zeros(n_words))
        self.group_vectors = torch.nn.Parameter(torch.zeros(len(cuts), embedding))
        self.group_bias = torch.nn.Parameter(torch.zeros(len(cuts)))
        self.register_buffer("order", torch.arange(n_words))

    def initialise(self, counts: Tensor) -> None:
        """Start at the unigram model of `counts` (V,), whose order the groups follow."""
        weights = (counts + 1.0).double().to(self.bias.device)
        weights[BOS] = 0.0
        order = torch.argsort(weights, descending=True, stable=True)
        logp = (weights / weights.sum()).log()
        groups = torch.stack([part.exp().sum().log() for part in logp[order].split(self.sizes)])
        torch.nn.init.normal_(self.group_vectors, std=0.05)
        logp[BOS] = 0.0
        with torch.no_grad():
            self.order.copy_(order)
            self.bias.copy_(logp)
            self.group_bias.copy_(groups[1:])

    def event_logp(self, features: Tensor, events: Tensor, vectors: Tensor, rows: Tensor | None = None) -> Tensor:
        """(m,) float64 ln p of `events` (m,) from `features` (n, embedding), those of `rows` (m,); None: all."""
        features = features if rows is None else features[rows]
        places = self._places(events)
        found = torch.zeros(len(events), dtype=torch.float64, device=features.device)
        for (weights, bias), (here, columns) in zip(self._softmaxes(vectors), self._targets(places)):
            if len(here):
                found[here] += event_logp(features[here], columns, weights, bias)
        return found

    def distribution(self, features: Tensor, vectors: Tensor) -> Tensor:
        """(n, V) float64 probabilities from `features` (n, embedding)."""
        parts = [
            torch.softmax(torch.addmm(bias, features, weights.t()).double(), 1)
            for weights, bias in self._softmaxes(vectors)
        ]
        head, groups = parts[0].split([self.sizes[0], len(self.group_bias)], 1)
        ordered = torch.cat([head, *(groups[:, i, None] * part for i, part in enumerate(parts[1:]))], 1)
        return torch.empty_like(ordered).index_copy_(1, self.order, ordered)

    def loss(
        self,
        features: Tensor,
        events: np.ndarray,
        vectors: Tensor,
        precision: torch.dtype,
        generator: np.random.Generator,
    ) -> Tensor:
        """−Σ ln p of `events` (n,), with gradients; `generator` is not used."""
        places = self._places(torch.from_numpy(events).to(features.device))
        loss = features.new_zeros(())
        for (weights, bias), (rows, columns) in zip(self._softmaxes(vectors), self._targets(places)):
            # Groups of which no word came keep their gradients, zeros, so that several processes have the same ones.
            loss = loss + softmax_loss(features[rows], columns, weights, bias, torch.zeros_like(bias), precision)
        return loss

    def _softmaxes(self, vectors: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weights and bias of the head, over words and then groups, and of each group."""
        # `embedding` and not an index: its backward pass adds up in the same order in every run.
        ordered = torch.nn.functional.embedding(self.order, vectors).split(self.sizes)
        head_bias, *biases = self._event_bias()[self.order].split(self.sizes)
        head = torch.cat([ordered[0], self.group_vectors]), torch.cat([head_bias, self.group_bias])
        return [head, *zip(ordered[1:], biases)]

    def _places(self, events: Tensor) -> Tensor:
        """(n,) the places of words in the order of frequency."""
        places = torch.empty_like(self.order)
        places[self.order] = torch.arange(len(places), device=places.device)
        return places[events]

    def _targets(self, places: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For the head and each group the rows in which it has a say, and which of its columns came there."""
        head, everywhere = places.clone(), torch.arange(len(places), device=places.device)
        targets, start = [(everywhere, head)], self.sizes[0]
        for group, size in enumerate(self.sizes[1:]):
            rows = torch.nonzero((places >= start) & (places < start + size))[:, 0]
            head[rows] = self.sizes[0] + group
            targets.append((rows, places[rows] - start))
            start += size
        return targets

    def _event_bias(self) -> Tensor:
        """(V,) bias; that of `<s>`, which is no event, is −inf."""
        never = torch.zeros_like(self.bias, dtype=torch.bool)
        never[BOS] = True
        return self.bias.masked_fill(never, -torch.inf)
