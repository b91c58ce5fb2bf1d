"""Kernels of tuning: the upper envelopes of the hypotheses along a line through weight space."""

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


@kernel("i8(f8[::1], f8[::1], i8[::1], i8[::1], i8[::1], f8[::1], i8[::1], i8[::1])")
def _changes(offset, slope, order, bounds, first, gamma, before, after):
    """Where the best hypotheses change along γ: at gamma[b] from before[b] to after[b]; returns how often.

    `first` (U,) becomes the best hypotheses at γ = −∞. Changes come utterance by utterance, not sorted.
    """
    largest = 0
    for u in range(bounds.size - 1):
        largest = max(largest, bounds[u + 1] - bounds[u])
    line = np.empty(largest, np.int64)
    start = np.empty(largest)
    changes = 0
    for u in range(bounds.size - 1):
        size = _envelope(offset, slope, order, bounds[u], bounds[u + 1], line, start)
        first[u] = line[0]
        for p in range(1, size):
            gamma[changes] = start[p]
            before[changes] = line[p - 1]
            after[changes] = line[p]
            changes += 1
    return changes
