"""A cache whose entries are found by what the network thought: Grave, Joulin & Usunier (2017), "Improving neural
language models with a continuous cache"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.adaptation.adapted import AdaptedModel
from lmmix.neural.adaptation.features import features_in_order
from lmmix.neural.allowed import COUNT, NOT_NEGATIVE, PART
from lmmix.neural.backend import ids_on, torch, torch_threads
from lmmix.neural.model import NeuralModel, NeuralState
from lmmix.progress import task
from lmmix.vocab import BOS

Tensor = torch.Tensor

BLOCK = 256
"""Events that are compared with those before them at a time."""


@dataclass(frozen=True)
class CacheSettings:
    """What a continuous cache remembers, and how it counts.

    Attributes
    ----------
    window : int
        Events that are remembered.
    theta : float
        How much more alike histories count, per unit of the product of their features; 0 is a plain cache of words.
    weight : float
        Of the cache in the mixture with the network.
    """

    window: int = 2000
    theta: float = 0.3
    weight: float = 0.1


ALLOWED = {"window": COUNT, "theta": NOT_NEGATIVE, "weight": PART}


class CacheState(NamedTuple):
    """Histories: those of the network, and the features (n, t, embedding) and words (n, t) of what was read last."""

    network: NeuralState
    features: Tensor
    words: Tensor


class ContinuousCache(AdaptedModel):
    """A network mixed with the words that it read last, by how alike the histories were; a `LanguageModel`.

    With h the network's features before the softmax, and sums over the last `window` events, `</s>` included::

        p(w) = (1 − weight) p_network(w) + weight · Σ_i exp(θ h·h_i) [w_i = w] / Σ_i exp(θ h·h_i)

    Before anything was read it is the network alone. Nothing is trained; the cache goes across sentences even where the
    network does not.
    """

    kind = "continuous-cache"
    settings_class = CacheSettings
    allowed = ALLOWED

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p of each event of `corpus`, given all events before it; on one thread."""
        setting = (self.settings.window, self.settings.theta)
        network, cache = cache_logp(self.model, corpus, [setting], "scoring with a cache")
        return mixed(network, cache[:, 0], self.settings.weight, np.arange(len(network)) == 0)

    def start(self, n: int) -> CacheState:
        """`n` states before the first word of a text."""
        network = self.model.start(n)
        nothing = network.features.new_empty((n, 0, network.features.shape[1]))
        return CacheState(network, nothing, torch.empty((n, 0), dtype=torch.int64, device=self.model.device))

    def advance(self, state: CacheState, words: np.ndarray) -> tuple[np.ndarray, CacheState]:
        """((n,) float64 ln p of `words` after each history, the state behind them)."""
        logp, network = self.model.advance(state.network, words)
        wanted = ids_on(self.model.device, words)[:, None]
        with torch.inference_mode():
            scores, empty = self._scores(state)
            cache = _log_share(scores, state.words == wanted).cpu().numpy()
            features = torch.cat([state.features, state.network.features[:, None]], 1)
            read = torch.cat([state.words, wanted], 1)
        kept = slice(max(0, read.shape[1] - self.settings.window), None)
        return mixed(logp, cache, self.settings.weight, empty), CacheState(network, features[:, kept], read[:, kept])

    def distribution(self, state: CacheState) -> np.ndarray:
        """(n, V) float64 probabilities of every next event; rows sum to 1."""
        network = self.model.distribution(state.network)
        with torch.inference_mode():
            scores, empty = self._scores(state)
            share = torch.exp(scores - _log_sum(scores)[:, None])
            cache = torch.zeros(network.shape, dtype=torch.float64, device=share.device)
            cache.scatter_add_(1, state.words, share)
        weight = np.where(empty, 0.0, self.settings.weight)[:, None]
        return (1.0 - weight) * network + weight * cache.cpu().numpy()

    def take(self, state: CacheState, rows: np.ndarray) -> CacheState:
        """The states of some histories, `rows` (m,), each any number of times."""
        chosen = ids_on(self.model.device, rows)
        return CacheState(self.model.take(state.network, rows), state.features[chosen], state.words[chosen])

    def _scores(self, state: CacheState) -> tuple[Tensor, np.ndarray]:
        """((n, t) `_scores` of each event of the past, (n,) bool where there is none)."""
        products = torch.einsum("ne,nte->nt", state.network.features, state.features)
        seen = state.words != BOS
        return _scores(products.double(), seen, self.settings.theta), ~seen.any(1).cpu().numpy()


def cache_logp(
    model: NeuralModel, corpus: Corpus, settings: Sequence[tuple[int, float]], label: str
) -> tuple[np.ndarray, np.ndarray]:
    """((T,) ln p of the events by the network, (T, S) by caches of each (window, θ)).

    Where nothing was read, which is the first event, the cache knows no word: −inf.
    """
    corpus = corpus.recode(model.vocab)
    ids = ids_on(model.device, corpus.ids)
    network, cache = np.empty(len(ids)), np.empty((len(ids), len(settings)))
    widest = max(window for window, _ in settings)
    place = 0
    with torch.inference_mode(), torch_threads(1), task(label, len(ids)) as progress:
        past = torch.empty((0, model.network.settings.embedding), device=model.device)
        for stretch in features_in_order(model, corpus):
            for features in stretch.split(BLOCK):
                here = slice(place, place + len(features))
                network[here] = model.network.event_logp(features, ids[here]).cpu().numpy()
                known = torch.cat([past, features])
                words = ids[here.stop - len(known) : here.stop]
                cache[here] = _block_logp(features, known, words, settings).cpu().numpy()
                past, place = known[-widest:], here.stop
                progress(len(features))
    return network, cache


def mixed(network: np.ndarray, cache: np.ndarray, weight: float, empty: np.ndarray) -> np.ndarray:
    """(T,) ln p of the mixture of ln p of the network and of the cache; the network's where the cache is `empty`."""
    if weight == 0.0:
        return network
    both = np.logaddexp(math.log1p(-weight) + network, math.log(weight) + cache)
    return np.where(empty, network, both)


def _block_logp(features: Tensor, known: Tensor, words: Tensor, settings: Sequence[tuple[int, float]]) -> Tensor:
    """(m, S) ln p of the last m `words` (k,) by the caches, from the features of these and of all k."""
    n = len(features)
    products = (features @ known.t()).double()
    # How far each known event lies behind each event of the block.
    age = torch.arange(len(known) - n, len(known), device=known.device)[:, None] - torch.arange(
        len(known), device=known.device
    )
    same = words == words[-n:, None]
    found = []
    for window, theta in settings:
        found.append(_log_share(_scores(products, (age > 0) & (age <= window), theta), same))
    return torch.stack(found, 1)


def _scores(products: Tensor, seen: Tensor, theta: float) -> Tensor:
    """(n, k) θ times `products` less the greatest of what was `seen` (n, k), and −inf for the rest.

    The difference comes first: it has no effect on shares, and no θ makes the greatest score anything but 0.
    """
    if products.shape[1] == 0:
        return products
    greatest = products.masked_fill(~seen, -torch.inf).amax(1, keepdim=True)
    return (theta * (products - greatest)).masked_fill(~seen, -torch.inf)


def _log_share(scores: Tensor, chosen: Tensor) -> Tensor:
    """(n,) ln of the part of Σ exp `scores` (n, k) that the `chosen` ones have; −inf where nothing was seen."""
    return torch.logsumexp(scores.masked_fill(~chosen, -torch.inf), 1) - _log_sum(scores)


def _log_sum(scores: Tensor) -> Tensor:
    """(n,) ln Σ exp `scores` (n, k), whose greatest is 0; 0 where nothing was seen, to be subtracted from −inf."""
    return torch.logsumexp(scores, 1).clamp(min=0.0)
