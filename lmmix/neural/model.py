"""`NeuralModel`: a trained network as a language model."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.lm import REMEMBERS
from lmmix.logmath import perplexity
from lmmix.neural.backend import ids_on, torch, torch_threads
from lmmix.neural.network_model import NetworkModel
from lmmix.neural.networks.network import Memory, forgotten, taken
from lmmix.neural.scoring import score_text, score_with_mass
from lmmix.vocab import BOS, EOS, Vocab

Tensor = torch.Tensor

ONE_THREAD = 1 << 28
"""Multiplications of one step below which a second thread costs more than it gains."""


class NeuralState(NamedTuple):
    """Histories as the network remembers them: features (n, embedding) of what comes next, and its memory."""

    features: Tensor
    memory: Memory


class NeuralModel(NetworkModel):
    """A network that predicts the next word; implements `lmmix.lm.LanguageModel`.

    The network computes in float32.
    """

    def signs(self) -> list[str]:
        """See `NetworkModel.signs`."""
        return [REMEMBERS] if self.context == "document" else []

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p(event | events before it); unknown words count as `<unk>`."""
        corpus = corpus.recode(self.vocab)
        return score_text(self.network, corpus, self.context, threads) if len(corpus.ids) else np.empty(0)

    def score_with_mass(
        self, corpus: Corpus, sets: np.ndarray, which: np.ndarray, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(T,) ln p of each event, and (T,) ln p of a set of events in its place; see `scoring.score_with_mass`."""
        corpus = corpus.recode(self.vocab)
        if not len(corpus.ids):
            return np.empty(0), np.empty(0)
        return score_with_mass(self.network, corpus, self.context, sets, which, threads)

    def validation_perplexity(self, corpus: Corpus) -> float:
        """What training goes by: the perplexity of a text."""
        logp = self.score(corpus)
        return perplexity(float(logp.sum()), len(logp))

    def start(self, n: int) -> NeuralState:
        """`n` states before the first word of a sentence."""
        with torch.inference_mode(), self._threads(n):
            return self._step(np.full(n, BOS), self.network.start(n))

    def advance(self, state: NeuralState, words: np.ndarray) -> tuple[np.ndarray, NeuralState]:
        """(n,) float64 ln p of `words` (n,) after each history, and the state behind them, the start behind `</s>`.

        Raises SettingError unless `words` are n ids of the vocabulary.
        """
        n = len(state.features)
        words = checked_words(words, n, self.vocab)
        with torch.inference_mode(), self._threads(n):
            logp = self.network.event_logp(state.features, ids_on(self.device, words))
            ended, memory = words == EOS, state.memory
            if self.context == "sentence" and ended.any():
                memory = forgotten(memory, torch.from_numpy(ended).to(self.device))
            return logp.cpu().numpy(), self._step(np.where(ended, BOS, words), memory)

    def distribution(self, state: NeuralState) -> np.ndarray:
        """(n, V) float64 probabilities of every next event; rows sum to 1, `<s>` has 0."""
        with torch.inference_mode(), self._threads(len(state.features)):
            return self.network.distribution(state.features).cpu().numpy()

    def take(self, state: NeuralState, rows: np.ndarray) -> NeuralState:
        """The states of some histories, `rows` (m,), each any number of times."""
        chosen = ids_on(self.device, rows)
        return NeuralState(state.features[chosen], taken(state.memory, chosen))

    def _threads(self, n: int) -> contextlib.AbstractContextManager[None]:
        """One thread for steps so small that threads would mostly wait for each other."""
        small = n * self.network.embedding.weight.numel() < ONE_THREAD
        return torch_threads(1) if small else contextlib.nullcontext()

    def _step(self, words: np.ndarray, memory: Memory) -> NeuralState:
        if len(words) == 0:
            return NeuralState(self.network.embedding.weight.new_empty((0, self.network.settings.embedding)), memory)
        features, memory = self.network(ids_on(self.device, words[:, None]), memory)
        return NeuralState(features[:, 0], memory)


def checked_words(words: np.ndarray, n: int, vocab: Vocab) -> np.ndarray:
    """`words` as an array, if they are `n` ids of `vocab`. Raises SettingError."""
    words = np.asarray(words)
    if words.shape != (n,) or (n and not 0 <= words.min() <= words.max() < len(vocab)):
        raise SettingError(f"words must be {n} ids from 0 to {len(vocab) - 1}; they are {words!r:.100}")
    return words
