"""Settings of networks that adapt, found on a held-out text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.logmath import perplexity
from lmmix.neural.adaptation.continuous_cache import ContinuousCache, cache_logp, mixed
from lmmix.neural.adaptation.dynamic import DynamicEvaluation
from lmmix.neural.adaptation.features import check_adaptable, features_in_order
from lmmix.neural.backend import torch
from lmmix.neural.model import NeuralModel
from lmmix.neural.texts import check_text

WINDOWS = (100, 500, 2000)
"""Sizes of caches that are tried."""

SHARPNESS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Values of θ that are tried, in units of 1 / mean h·h: how large features are depends on the network."""

LEARNING_RATES = (3e-4, 1e-3, 3e-3)
DECAYS = (0.0, 1e-3, 1e-2)
"""What is tried for dynamic evaluation: all learning rates without decay, then all decays with the best."""

SEGMENT = 20
"""Events between two steps of dynamic evaluation."""

LARGEST_WEIGHT = 0.999
"""Of a cache: what it has not seen must stay possible."""


@dataclass
class Adaptation:
    """A network that adapts, and how it was found.

    Attributes
    ----------
    model : ContinuousCache or DynamicEvaluation
    network_ppl, ppl : float
        Perplexity of the held-out text by the network alone, and by `model`.
    tried : list of dict
        The settings that were tried, and their perplexities.
    """

    model: ContinuousCache | DynamicEvaluation
    network_ppl: float
    ppl: float
    tried: list[dict[str, Any]]

    def report(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {"network_ppl": self.network_ppl, "ppl": self.ppl, "tried": self.tried}


def tune_cache(
    model: NeuralModel, dev: Corpus, windows: Sequence[int] = WINDOWS, thetas: Sequence[float] | None = None
) -> Adaptation:
    """The continuous cache that predicts `dev` best: all `windows` with all `thetas`, each with its best weight.

    `thetas` are by default such that exp(θ h·h) goes from 1 to e^16 for features of middling size.
    Raises SettingError for a model that is no network or values that are not allowed, InputError for a text without
    known words.
    """
    _check(model, dev)
    if thetas is None:
        thetas = [sharpness / _feature_size(model, dev) for sharpness in SHARPNESS]
    settings = [ContinuousCache(model, window=w, theta=float(t)).settings for w in windows for t in thetas]
    network, caches = cache_logp(model, dev, [(s.window, s.theta) for s in settings], "trying caches")
    tried = []
    for setting, cache in zip(settings, caches.T):
        weight = best_weight(network[1:], cache[1:])  # no cache has read anything before the first event
        ppl = _ppl(mixed(network, cache, weight, np.arange(len(cache)) == 0))
        tried.append({"window": setting.window, "theta": setting.theta, "weight": weight, "ppl": ppl})
    return _best(ContinuousCache, model, _ppl(network), tried)


def tune_dynamic(
    model: NeuralModel,
    dev: Corpus,
    segment: int = SEGMENT,
    learning_rates: Sequence[float] = LEARNING_RATES,
    decays: Sequence[float] = DECAYS,
) -> Adaptation:
    """The dynamic evaluation that predicts `dev` best: of the `learning_rates` first, then of the `decays`.

    Each value costs as much as some passes of scoring over `dev`. Raises SettingError and InputError as `tune_cache`.
    """
    _check(model, dev)
    network_ppl = _ppl(model.score(dev))
    tried: list[dict[str, Any]] = []

    def attempt(learning_rate: float, decay: float) -> None:
        adapted = DynamicEvaluation(model, learning_rate=learning_rate, decay=decay, segment=segment)
        values = {"learning_rate": learning_rate, "decay": decay, "segment": segment}
        tried.append({**values, "ppl": _ppl(adapted.score(dev))})

    for learning_rate in learning_rates:
        attempt(learning_rate, decays[0])
    fastest = min(tried, key=_by_ppl)["learning_rate"]
    for decay in decays[1:]:
        attempt(fastest, decay)
    return _best(DynamicEvaluation, model, network_ppl, tried)


def best_weight(network: np.ndarray, cache: np.ndarray) -> float:
    """The weight of the cache that gives events the highest likelihood, from ln p (T,) of both.

    Σ ln((1 − w) p + w q) is concave in w, so its slope is halved in on.
    """
    gain = np.expm1(np.minimum(cache - network, 700.0))
    low, high = 0.0, LARGEST_WEIGHT
    if not (gain.size and gain.sum() > 0):
        return 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if (gain / (1.0 + middle * gain)).sum() > 0 else (low, middle)
    return low


def _check(model: Any, dev: Corpus) -> None:
    check_adaptable(model)
    check_text("held-out", dev.recode(model.vocab))


def _feature_size(model: NeuralModel, dev: Corpus) -> float:
    """The mean of h·h over the first events of a text, of the network's features h."""
    with torch.inference_mode():
        first = next(features_in_order(model, dev.recode(model.vocab)))
        return max(float(first.square().sum(1).mean()), 1e-9)


def _best(
    kind: type[ContinuousCache] | type[DynamicEvaluation],
    model: NeuralModel,
    network_ppl: float,
    tried: list[dict[str, Any]],
) -> Adaptation:
    best = min(tried, key=_by_ppl)
    settings = {name: value for name, value in best.items() if name != "ppl"}
    return Adaptation(kind(model, **settings), network_ppl, best["ppl"], tried)


def _by_ppl(row: dict[str, Any]) -> float:
    return math.inf if math.isnan(row["ppl"]) else row["ppl"]


def _ppl(logp: np.ndarray) -> float:
    return perplexity(float(logp.sum()), len(logp))
