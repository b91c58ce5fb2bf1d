"""Weights that follow the text while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lmmix.checks import simplex_weights
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import REMEMBERS, LanguageModel
from lmmix.mix import _kernels as kernels
from lmmix.mix.em import fit_em
from lmmix.mix.interpolated import InterpolatedMixture
from lmmix.mix.mixture import MixtureState

RULES = ("share", "eg")


class OnlineMixture(InterpolatedMixture):
    """p(w | h) = Σ_k w_k(t) p_k(w | h) with weights that every event moves, across sentences.

    `share` is fixed share (Herbster & Warmuth 1998, "Tracking the best expert"): w_k ∝ w_k p_k^rate, then a part of
    all weight is dealt out anew as at the start, so that no member is ever lost. `eg` is the exponentiated gradient
    (Kivinen & Warmuth 1997): w_k ∝ w_k exp(rate p_k / p_mix), with the same sharing.

    Attributes
    ----------
    weights : (K,) float64
        At the start of each text.
    rate : float
        How fast weights move; with `share`, rate 1 and nothing dealt out the mixture is Bayesian.
    share : float
        Part of the weight that is dealt out at each event.
    rule : {"share", "eg"}

    Raises EventSpaceError for different vocabularies, SettingError for numbers that are not allowed.
    """

    combination: ClassVar[str] = "online"

    def __init__(
        self,
        members: Sequence[LanguageModel],
        weights: Sequence[float] | np.ndarray,
        rate: float = 1.0,
        share: float = 0.01,
        rule: str = "share",
        paths: Sequence[PathLike | None] | None = None,
    ) -> None:
        super().__init__(members, paths)
        if rule not in RULES:
            raise SettingError(f"rule is {rule!r}; it must be {' or '.join(RULES)}")
        if not 0 <= rate < np.inf:
            raise SettingError(f"rate is {rate}; it must be a number, 0 or more")
        if not 0 <= share <= 1:
            raise SettingError(f"share is {share}; it must be a number from 0 to 1")
        self.weights = simplex_weights(weights, len(self.members))
        self.rate, self.share, self.rule = float(rate), float(share), rule

    def parameter_signature(self) -> str:
        """Rule, rate, share and the weights at the start."""
        weights = ",".join(f"{weight:.6f}" for weight in self.weights)
        return f"rule:{self.rule}|rate:{self.rate:g}|share:{self.share:g}|weights:{weights}|{REMEMBERS}"

    def parameters(self, folder: Path) -> dict[str, Any]:
        """Rule, rate, share and the weights at the start."""
        return {"weights": self.weights.tolist(), "rate": self.rate, "share": self.share, "rule": self.rule}

    def log_weights(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """See `InterpolatedMixture.log_weights`."""
        return self._read(logp, self.weights.copy())

    def _read(self, logp: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(T, K) ln of the weights before each of T events in a row; `weights` become those behind them."""
        out = np.empty(logp.shape)
        logp = np.ascontiguousarray(logp)
        kernels._online_weights(logp, self.weights, self.rate, self.share, self.rule == "eg", weights, out)
        with np.errstate(divide="ignore"):
            return np.log(out)

    def _begin(self, n: int) -> np.ndarray:
        return np.tile(self.weights, (n, 1))

    def _weigh(self, state: MixtureState) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(state.own)

    def _remember(self, state: MixtureState, words: np.ndarray, logp: np.ndarray) -> np.ndarray:
        after = state.own.copy()
        for row, weights in zip(logp, after):
            self._read(row[None, :], weights)
        return after


@dataclass(frozen=True)
class Regret:
    """What following a text cost or gained against the best weights that stay.

    Attributes
    ----------
    online, fixed : float
        ln-likelihood of the text with moving weights, and with the best fixed ones, which only the text itself tells.
    events : int
    """

    online: float
    fixed: float
    events: int

    @property
    def per_event(self) -> float:
        """Nats per event lost; below 0 where moving weights did better than any fixed ones."""
        return (self.fixed - self.online) / self.events


def regret(mixture: OnlineMixture, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> Regret:
    """The regret of `mixture` on a text whose ln p (T, K) its members have given; events without any do not count."""
    rows = logp.max(axis=1) > -np.inf
    online = float(mixture.combine(corpus, logp, threads)[rows].sum())
    return Regret(online, fit_em(logp[rows], threads=threads).logp, int(rows.sum()))


def fit_online(
    members: Sequence[LanguageModel],
    corpus: Corpus,
    logp: np.ndarray,
    weights: np.ndarray,
    rule: str = "share",
    paths: Sequence[PathLike | None] | None = None,
) -> OnlineMixture:
    """The rate and share of a small grid that give a text the highest likelihood, starting from `weights`.

    `logp` is (T, K) ln p of the events of `corpus`. A rate of 0 is in the grid, so fixed weights are too.
    """
    rates = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
    shares = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5)
    rows = logp.max(axis=1) > -np.inf
    candidates = [OnlineMixture(members, weights, rate, share, rule, paths) for rate in rates for share in shares]
    return max(candidates, key=lambda one: float(one.combine(corpus, logp)[rows].sum()))
