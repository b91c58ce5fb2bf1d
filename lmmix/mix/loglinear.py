"""A log-linear mixture of language models, itself a language model."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.mix.held_out import HeldOut, place_of
from lmmix.mix.loglinear_fit import LogLinearResult, fit_loglinear
from lmmix.mix.mixture import Mixture, MixtureState
from lmmix.mix.normalise import joint_models, log_distributions, log_product, normaliser_of

logger = logging.getLogger("lmmix")

LARGEST_WEIGHT = 1e6
"""Weights beyond that, of either sign, say no more than that the best word is certain."""


class LogLinearMixture(Mixture):
    """p(w | h) = Π_k p_k(w | h)^{w_k} / Z(h) over K models of one event space (Klakow 1998).

    Weights may be negative, and need not sum to 1; a model of weight 0 counts for nothing. Z(h) is the sum over all
    events. A word to which a model of positive weight gives probability 0 has probability 0. One of negative weight
    may not, unless all do: that is an InputError when it comes up, as is a history behind which no word is possible.
    Back-off models are normalised exactly from their
    explicit words (`lmmix.ngram.joint`), others by computing whole distributions.

    Attributes
    ----------
    weights : (K,) float64

    Raises EventSpaceError for different vocabularies, SettingError for
    weights that are not finite, beyond ±10⁶, or all 0.
    """

    combination: ClassVar[str] = "loglinear"

    def __init__(
        self,
        members: Sequence[LanguageModel],
        weights: Sequence[float] | np.ndarray,
        paths: Sequence[PathLike | None] | None = None,
    ) -> None:
        super().__init__(members, paths)
        self.weights = _checked_weights(weights, len(self.members))
        self._used = np.flatnonzero(self.weights).tolist()
        self._powers = self.weights[self._used]

    def parameter_signature(self) -> str:
        """The weights."""
        return "weights:" + ",".join(f"{weight:.6f}" for weight in self.weights)

    def parameters(self, folder: Path) -> dict[str, Any]:
        """The weights."""
        return {"weights": self.weights.tolist()}

    def combine(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`, given (T, K) those of the members."""
        members, ids, events = self._some(self.members), self._some(self._ids), np.arange(len(corpus.ids))
        normaliser = normaliser_of(members, ids, corpus, events, self._joint, threads)
        log_z, _, zero = normaliser.sums(self._powers, False, threads)
        self._refuse_zero(zero)
        if np.isneginf(log_z).any():
            raise InputError(f"before {place_of(corpus, int(np.argmin(log_z)))}, {_NO_WORD}")
        return self._product(logp) - log_z

    def start(self, n: int) -> MixtureState:
        """The states before the first word of n sentences."""
        return MixtureState(self._start_members(n), None)

    def advance(self, state: MixtureState, words: np.ndarray) -> tuple[np.ndarray, MixtureState]:
        """((n,) ln p of `words`, the states behind them)."""
        logp, after = self._advance_members(state.members, words)
        return self._product(logp) - self._log_z(state), MixtureState(after, None)

    def distribution(self, state: MixtureState) -> np.ndarray:
        """(n, V) probability of each next event."""
        product = self._products(state)
        largest = product.max(axis=1, keepdims=True)
        _refuse_impossible(largest)
        product -= largest
        np.exp(product, out=product)
        product /= product.sum(axis=1, keepdims=True)
        return product

    def _log_z(self, state: MixtureState) -> np.ndarray:
        """(n,) ln Z of each history."""
        if self._joint is None:
            product = self._products(state)
            largest = product.max(axis=1)
            _refuse_impossible(largest)
            return largest + np.log(np.exp(product - largest[:, None]).sum(axis=1))
        log_z, _, zero = self._joint.of_states(self._some(state.members)).sums(self._powers, False, 1)
        self._refuse_zero(zero)
        _refuse_impossible(log_z)
        return log_z

    @cached_property
    def _joint(self) -> Any:
        return joint_models(self._some(self.members), self._some(self._ids))

    def _products(self, state: MixtureState) -> np.ndarray:
        """(n, V) ln p of each next event, not normalised."""
        members, states, ids = self._some(self.members), self._some(state.members), self._some(self._ids)
        logp = log_distributions(members, states, ids)
        product, zero = log_product(logp, self._powers)
        self._refuse_zero(zero)
        return product

    def _product(self, logp: np.ndarray) -> np.ndarray:
        """(n,) Σ_k w_k logp[:, k], −inf where a member that counts gives probability 0."""
        used = logp[:, self._used]
        possible = np.isfinite(used).all(axis=1)
        return np.where(possible, np.where(possible[:, None], used, 0.0) @ self._powers, -np.inf)

    def _some(self, of_members: Sequence[Any]) -> list[Any]:
        """What belongs to the members that count."""
        return [of_members[k] for k in self._used]

    def _refuse_zero(self, zero: np.ndarray) -> None:
        for k, word in zip(self._used, zero.tolist()):
            if word >= 0 and self.weights[k] < 0:
                raise InputError(
                    f"{self.names[k]} has the weight {self.weights[k]:g} and gives the word {self.vocab.words[word]!r} "
                    "probability 0, which has no negative power; smooth that model, or give it a weight of 0 or more"
                )


_NO_WORD = "no word has a probability in every model of a log-linear mixture; smooth the models, or mix them linearly"


def _refuse_impossible(log_z: np.ndarray) -> None:
    if np.isneginf(log_z).any():
        raise InputError(f"behind one of the histories, {_NO_WORD}")


def _checked_weights(weights: Sequence[float] | np.ndarray, members: int) -> np.ndarray:
    values = np.array(weights, np.float64)
    if values.shape != (members,) or not (np.abs(values) <= LARGEST_WEIGHT).all() or not values.any():
        raise SettingError(
            f"weights {values.tolist()} must be {members} finite numbers, none beyond ±{LARGEST_WEIGHT:g}, not all 0"
        )
    return values


@dataclass(frozen=True)
class LogLinearFit:
    """A log-linear mixture with how its weights were found.

    Attributes
    ----------
    mixture : LogLinearMixture
    result : LogLinearResult
        Of the models that were not dropped.
    events : (n,) int64
        The events that counted: those of the held-out text, but OOVs to which some model gives no probability.
    dropped : list of int
        Models of weight 0 because they would have a negative weight and give probability 0 to words.
    """

    mixture: LogLinearMixture
    result: LogLinearResult
    events: np.ndarray
    dropped: list[int]


def fit_loglinear_mixture(
    held: HeldOut, *, tolerance: float = 1e-7, prior: float = math.inf, threads: int | None = None
) -> LogLinearFit:
    """Find the weights of a log-linear mixture on held-out text; `tolerance` and `prior` as in `fit_loglinear`.

    Raises InputError for a word of the vocabulary to which some model gives probability 0.
    """
    equal = LogLinearMixture(held.members, np.ones(len(held.members)), held.paths)
    events = _possible_events(held, equal.names)
    used = list(range(len(held.members)))
    while True:
        members, ids = [held.members[k] for k in used], [equal._ids[k] for k in used]
        normaliser = normaliser_of(members, ids, held.corpus, events, joint_models(members, ids), threads)
        result = fit_loglinear(
            held.logp[events][:, used], normaliser, tolerance=tolerance, prior=prior, threads=threads
        )
        wrong = np.where(result.zero >= 0, result.weights, 0.0)
        if not (wrong < 0).any():
            break
        gone = used.pop(int(wrong.argmin()))
        logger.warning(
            "%s is left out: its weight would be negative, and it gives some words probability 0", equal.names[gone]
        )
    weights = np.zeros(len(held.members))
    weights[used] = result.weights
    dropped = [k for k in range(len(weights)) if k not in used]
    return LogLinearFit(LogLinearMixture(held.members, weights, held.paths), result, events, dropped)


def _possible_events(held: HeldOut, names: Sequence[str]) -> np.ndarray:
    """The events to which every member gives a probability; of the others only OOVs may be left out."""
    possible = np.isfinite(held.logp).all(axis=1)
    allowed = possible.copy()
    allowed[held.corpus.oov_at] = True
    if not allowed.all():
        at = int(np.argmin(allowed))
        k = int(np.argmin(np.isfinite(held.logp[at])))
        raise InputError(
            f"{place_of(held.corpus, at)} of the held-out text has the log-probability {held.logp[at, k]:g} in "
            f"{names[k]}; a log-linear mixture needs a finite one from all"
        )
    if not possible.any():
        raise InputError("no event of the held-out text has a probability in every model")
    return np.flatnonzero(possible)
