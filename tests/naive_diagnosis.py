"""Slow, obvious twins of what tells about the members of a mixture; p is (T, K) probabilities."""

from __future__ import annotations

import math

import numpy as np


def shares(p: np.ndarray, weights: np.ndarray) -> list[list[float] | None]:
    """The parts of each event; None for one without probability. `weights` is (T, K)."""
    out: list[list[float] | None] = []
    for row, weight in zip(p, weights):
        joint = [w * x for w, x in zip(weight, row)]
        out.append([part / sum(joint) for part in joint] if sum(joint) else None)
    return out


def effective(parts: list[list[float] | None]) -> float:
    """exp of the mean entropy."""
    entropies = [-sum(x * math.log(x) for x in row if x) for row in parts if row is not None]
    return math.exp(sum(entropies) / len(entropies))


def overlap(p: np.ndarray, j: int, k: int) -> float:
    """Mean of 2 min / sum, events that both give 0 left out."""
    found = [2 * min(row[j], row[k]) / (row[j] + row[k]) for row in p if row[j] + row[k]]
    return sum(found) / len(found) if found else math.nan


def by_bucket(
    p: np.ndarray, weights: np.ndarray, bucket: list[int]
) -> dict[int, tuple[int, list[float], list[float] | None]]:
    """kind → (events, mean weights, mean shares or None)."""
    parts = shares(p, weights)
    out = {}
    for kind in set(bucket):
        at = [t for t, b in enumerate(bucket) if b == kind]
        known = [parts[t] for t in at if parts[t] is not None]
        mean_weights = [sum(weights[t][k] for t in at) / len(at) for k in range(p.shape[1])]
        mean_shares = [sum(row[k] for row in known) / len(known) for k in range(p.shape[1])] if known else None  # type: ignore[index]
        out[kind] = (len(at), mean_weights, mean_shares)
    return out
