"""Mixtures that weigh probabilities: p(w | h) = Σ_k w_k(h) p_k(w | h), whatever the weights depend on."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.mix import _kernels as kernels
from lmmix.mix.diagnosis import member_shares
from lmmix.mix.mixture import Mixture, MixtureState


class InterpolatedMixture(Mixture):
    """p(w | h) = Σ_k w_k(h) p_k(w | h) with weights that sum to 1 and depend on the history only.

    What a subclass remembers of histories beside the states of its members is its `own` state: `_begin`, `_weigh` and
    `_remember` make, read and extend it; by default there is none.
    """

    @abstractmethod
    def log_weights(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(T, K) ln of the weights before each event of `corpus`, given ln p (T, K) of the members."""

    def combine(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`, given (T, K) those of the members."""
        return log_sums(self.log_weights(corpus, logp, threads) + logp)

    def shares(self, corpus: Corpus, logp: np.ndarray) -> np.ndarray:
        """(T, K) each member's part of the mixture's probability of each event; nan where that is 0."""
        return member_shares(logp, self.log_weights(corpus, logp))

    def start(self, n: int) -> MixtureState:
        """The states before the first word of n sentences."""
        return MixtureState(self._start_members(n), self._begin(n))

    def advance(self, state: MixtureState, words: np.ndarray) -> tuple[np.ndarray, MixtureState]:
        """((n,) ln p of `words`, the states behind them)."""
        log_weights = self._weigh(state)
        logp, after = self._advance_members(state.members, words)
        return log_sums(log_weights + logp), MixtureState(after, self._remember(state, words, logp))

    def distribution(self, state: MixtureState) -> np.ndarray:
        """(n, V) probability of each next event."""
        weights = np.exp(self._weigh(state))
        return sum(weights[:, k, None] * part for k, part in enumerate(self._distributions(state.members)))

    def _begin(self, n: int) -> Any:
        """The own state of `n` new texts."""
        return None

    @abstractmethod
    def _weigh(self, state: MixtureState) -> np.ndarray:
        """(n, K) ln of the weights of the next event."""

    def _remember(self, state: MixtureState, words: np.ndarray, logp: np.ndarray) -> Any:
        """The own state behind `words`, to which the members gave ln p `logp` (n, K)."""
        return state.own


def log_sums(joint: np.ndarray) -> np.ndarray:
    """(T,) ln Σ_k exp(joint[t, k]) of (T, K), −inf where all are."""
    out = np.empty(len(joint))
    kernels._log_sums(np.ascontiguousarray(joint, np.float64), out)
    return out
