"""Networks that adapt, written from the papers: one event at a time, in numpy's float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def continuous_cache(
    network: np.ndarray, features: np.ndarray, events: Sequence[int], window: int, theta: float, weight: float
) -> np.ndarray:
    """(T,) ln p: the distributions of the network (T, V), its features (T, E), and the events that came."""
    found = []
    for t, event in enumerate(events):
        counts: dict[int, float] = {}
        for i in range(max(0, t - window), t):
            share = math.exp(theta * float(features[t] @ features[i]))
            counts[events[i]] = counts.get(events[i], 0.0) + share
        p = network[t][event]
        if counts:
            p = (1 - weight) * p + weight * counts.get(event, 0.0) / sum(counts.values())
        found.append(math.log(p))
    return np.array(found)


def dynamic_step(
    weights: np.ndarray,
    trained: np.ndarray,
    gradients: Sequence[np.ndarray],
    learning_rate: float,
    decay: float,
) -> np.ndarray:
    """The weights of one tensor behind the last of the segments whose `gradients` are given."""
    squares = sum(gradient**2 for gradient in gradients) / len(gradients)
    root, whole = np.sqrt(squares), math.sqrt(squares.mean())
    back = np.minimum(1.0, decay * root / root.mean())
    return weights - learning_rate * gradients[-1] / (root + whole) + back * (trained - weights)
