"""Slow, obvious twins of mixtures whose weights depend on the history or follow the text."""

from __future__ import annotations

import math

import numpy as np

from lmmix.corpus import Corpus


def sentences(corpus: Corpus) -> list[tuple[int, int]]:
    """The first event of each sentence, and the one behind its last."""
    return list(zip(corpus.offsets[:-1].tolist(), corpus.offsets[1:].tolist()))


def bayes(corpus: Corpus, p: np.ndarray, start: np.ndarray, window: int | None, scale: float) -> np.ndarray:
    """(T,) Σ_k w_k p_k with w_k ∝ start_k · (Π p_k of the last `window` events of the sentence)^scale."""
    out = []
    for lo, hi in sentences(corpus):
        for t in range(lo, hi):
            first = lo if window is None else max(lo, t - window)
            weights = [start[k] * math.prod(p[first:t, k].tolist()) ** scale for k in range(p.shape[1])]
            out.append(sum(w * q for w, q in zip(weights, p[t])) / sum(weights))
    return np.array(out)


def merged_counts(counts: list[list[dict[int, int]]], scale: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(T,) Σ_k β_k c_k p_k / Σ_k β_k c_k; counts[t][k] has the counts of the history of event t by length, if seen."""
    out = []
    for at, row in zip(counts, p):
        longest = max(length for of_model in at for length in of_model)
        c = [max(of_model.get(longest, 0), 0.5) for of_model in at]
        out.append(sum(b * n * q for b, n, q in zip(scale, c, row)) / sum(b * n for b, n in zip(scale, c)))
    return np.array(out)


def softmax(values: list[float]) -> list[float]:
    """The weights of a gate."""
    parts = [math.exp(value - max(values)) for value in values]
    return [part / sum(parts) for part in parts]


def gate_logp(p: np.ndarray, features: np.ndarray, bias: np.ndarray, theta: np.ndarray) -> float:
    """Σ_t ln Σ_k w_k p_tk with the weights of a gate."""
    total = 0.0
    for row, x in zip(p, features):
        weights = softmax([b + sum(a * f for a, f in zip(line, x)) for b, line in zip(bias, theta)])
        total += math.log(sum(w * q for w, q in zip(weights, row)))
    return total


def online(p: np.ndarray, start: np.ndarray, rate: float, share: float, rule: str) -> np.ndarray:
    """(T,) p of the mixture, event by event, with weights that follow.

    They stay as they are behind an event that no member with weight gives a probability.
    """
    weights, out = start.copy(), []
    for row in p:
        mix = sum(w * q for w, q in zip(weights, row))
        out.append(mix)
        if mix == 0:
            continue
        factor = [q**rate if rule == "share" else math.exp(rate * (q - max(row)) / mix) for q in row]
        weights = np.array([w * f for w, f in zip(weights, factor)])
        weights = (1 - share) * weights / weights.sum() + share * start
    return np.array(out)
