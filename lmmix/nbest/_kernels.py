"""Kernels of tuning: the error surface along a line through weight space."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel


@kernel("i8(f8[::1], f8[::1], i8[::1], i8, i8, i8[::1], f8[::1])")
def _envelope(offset, slope, order, lo, hi, line, start):
    """Upper envelope of the lines offset + γ · slope of the hypotheses lo…hi; returns its number of pieces.

    `order` holds the hypotheses by ascending slope, then descending offset, then rank. Piece p belongs to the
    hypothesis line[p] and begins at γ = start[p]; the first begins at −∞.
    """
    size = 0
    for k in range(lo, hi):
        i = order[k]
        if size and slope[line[size - 1]] == slope[i]:
            continue
        begin = -np.inf
        while size:
            top = line[size - 1]
            begin = (offset[top] - offset[i]) / (slope[i] - slope[top])
            if begin > start[size - 1]:
                break
            size -= 1
            begin = -np.inf
        line[size] = i
        start[size] = begin
        size += 1
    return size


@kernel("Tuple((i8, i8))(f8[::1], f8[::1], i8[::1], i8[::1], i8[::1], f8[::1], i8[::1])")
def _error_steps(offset, slope, order, bounds, errors, gamma, change):
    """Where the errors of the best hypotheses change along γ: at gamma[b] by change[b].

    Returns (errors at γ = −∞, number of steps); steps come utterance by utterance, not sorted.
    """
    largest = 0
    for u in range(bounds.size - 1):
        largest = max(largest, bounds[u + 1] - bounds[u])
    line = np.empty(largest, np.int64)
    start = np.empty(largest)
    first = np.int64(0)
    steps = 0
    for u in range(bounds.size - 1):
        size = _envelope(offset, slope, order, bounds[u], bounds[u + 1], line, start)
        first += errors[line[0]]
        for p in range(1, size):
            difference = errors[line[p]] - errors[line[p - 1]]
            if difference != 0:
                gamma[steps] = start[p]
                change[steps] = difference
                steps += 1
    return first, steps
