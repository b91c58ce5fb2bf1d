"""Kernels of tuning: what weights choose, what changes along a line through weight space, and MIRA's updates."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel


@kernel("void(f8[:,::1], f8[::1], i8[::1], i8[::1])")
def _choose(features, weights, bounds, best):
    """best[u] becomes the hypothesis with the highest features @ weights in list u, the first of equals."""
    for u in range(bounds.size - 1):
        highest = -np.inf
        best[u] = bounds[u]
        for i in range(bounds[u], bounds[u + 1]):
            total = 0.0
            for f in range(weights.size):
                total += features[i, f] * weights[f]
            if total > highest:
                highest = total
                best[u] = i


@kernel("i8(f8[:,::1], f8[::1], f8[::1], f8[:,::1], i8[::1], f8[::1], f8[:,::1], f8[::1])")
def _changes(features, weights, direction, statistics, bounds, gamma, change, sums):
    """How the statistics of the best hypotheses change with γ under weights + γ · direction; returns how often.

    sums (k,) becomes their sum at γ = −∞; at gamma[c] it changes by change[c]. Changes come list by list. The upper
    envelope of a list's lines is walked from left to right: the next piece is the steeper line that crosses first, of
    those that cross there the steepest. Few lines ever are on top, so this is quicker than sorting them by slope.
    """
    largest = 0
    for u in range(bounds.size - 1):
        largest = max(largest, bounds[u + 1] - bounds[u])
    offset, slope = np.empty(largest), np.empty(largest)
    n = 0
    sums[:] = 0.0
    for u in range(bounds.size - 1):
        lo, size = bounds[u], bounds[u + 1] - bounds[u]
        top = 0
        for i in range(size):
            offset[i] = slope[i] = 0.0
            for f in range(weights.size):
                offset[i] += features[lo + i, f] * weights[f]
                slope[i] += features[lo + i, f] * direction[f]
            if slope[i] < slope[top] or (slope[i] == slope[top] and offset[i] > offset[top]):
                top = i
        sums += statistics[lo + top]
        place = -np.inf
        while True:
            cross = np.inf
            over = -1
            for i in range(size):
                rise = slope[i] - slope[top]
                if rise > 0.0:
                    at = (offset[top] - offset[i]) / rise
                    if at < cross:
                        cross, over = at, i
                    elif at == cross and over >= 0:
                        if slope[i] > slope[over] or (slope[i] == slope[over] and offset[i] > offset[over]):
                            over = i
            if over < 0:
                break
            # Crossings that are one may seem a rounding error apart.
            place = max(place, cross)
            differs = False
            for s in range(sums.size):
                change[n, s] = statistics[lo + over, s] - statistics[lo + top, s]
                differs |= change[n, s] != 0.0
            if differs:
                gamma[n] = place
                n += 1
            top = over
    return n
