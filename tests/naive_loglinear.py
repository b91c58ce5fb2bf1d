"""Slow, obvious twins of log-linear mixtures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel
from lmmix.vocab import BOS


def histories(members: Sequence[LanguageModel], corpus: Corpus) -> list[list[dict[str, float]]]:
    """For each event and each member, ln p of every word but `<s>` in the history before the event."""
    out = []
    states = [member.start(1) for member in members]
    for event in corpus.ids.tolist():
        row = []
        for k, member in enumerate(members):
            p = member.distribution(states[k])[0].tolist()
            words = member.vocab.words
            row.append({words[w]: math.log(p[w]) if p[w] > 0 else -math.inf for w in range(len(p)) if w != BOS})
            word = member.vocab.id(corpus.vocab.words[event])
            states[k] = member.advance(states[k], np.array([word], np.int32))[1]
        out.append(row)
    return out


def product(history: list[dict[str, float]], weights: Sequence[float]) -> dict[str, tuple[float, list[float]]]:
    """(Π p_k^{w_k}, [ln p_k]) of each word to which no member gives probability 0."""
    out = {}
    for word in history[0]:
        x = [member[word] for member in history]
        if -math.inf not in x:
            out[word] = (math.exp(sum(weight * one for weight, one in zip(weights, x))), x)
    return out


def log_z(history: list[dict[str, float]], weights: Sequence[float]) -> float:
    """ln Z."""
    z = sum(f for f, _ in product(history, weights).values())
    return math.log(z) if z > 0 else -math.inf


def mean(history: list[dict[str, float]], weights: Sequence[float]) -> np.ndarray:
    """(K,) E[x]."""
    words = product(history, weights).values()
    z = sum(f for f, _ in words)
    return np.array([sum(f * x[k] for f, x in words) / z for k in range(len(weights))])


def covariance(history: list[dict[str, float]], weights: Sequence[float]) -> np.ndarray:
    """(K, K) Cov[x]."""
    words = product(history, weights).values()
    z = sum(f for f, _ in words)
    centre = mean(history, weights)
    return sum(f / z * np.outer(np.array(x) - centre, np.array(x) - centre) for f, x in words)


def log_likelihood(rows: list[list[dict[str, float]]], events: Sequence[str], weights: Sequence[float]) -> float:
    """Σ_t w·x_t − ln Z_t."""
    total = 0.0
    for row, event in zip(rows, events):
        total += sum(weight * member[event] for weight, member in zip(weights, row)) - log_z(row, weights)
    return total
