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
                    steeper = over >= 0 and (
                        slope[i] > slope[over] or (slope[i] == slope[over] and offset[i] > offset[over])
                    )
                    if at < cross or (at == cross and steeper):
                        cross, over = at, i
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


@kernel("void(f8[:,::1], f8[::1], i8[::1], i8[::1], f8, f8[::1], f8[::1], f8[::1], f8[::1])")
def _mira_pass(features, cost, bounds, order, largest, lower, upper, weights, gathered):
    """One pass of MIRA over the lists in `order`: changes `weights` (F,), adds those after each list to `gathered`."""
    for u in order:
        hope = fear = bounds[u]
        most_hope = most_fear = -np.inf
        for i in range(bounds[u], bounds[u + 1]):
            total = 0.0
            for f in range(weights.size):
                total += features[i, f] * weights[f]
            if total - cost[i] > most_hope:
                most_hope, hope = total - cost[i], i
            if total + cost[i] > most_fear:
                most_fear, fear = total + cost[i], i
        lacking = cost[fear] - cost[hope]
        norm = 0.0
        for f in range(weights.size):
            ahead = features[hope, f] - features[fear, f]
            lacking -= ahead * weights[f]
            if lower[f] < upper[f]:
                norm += ahead * ahead
        if lacking > 0.0 and norm > 0.0:
            step = min(largest, lacking / norm)
            for f in range(weights.size):
                moved = weights[f] + step * (features[hope, f] - features[fear, f])
                weights[f] = min(max(moved, lower[f]), upper[f])
        gathered += weights
