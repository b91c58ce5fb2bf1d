"""Kernels of alignments: the cheapest way to make one sequence of another, and what it is made of."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

_BOTH, _INSERTION, _DELETION = 0, 1, 2


@kernel("i8(f8[:, ::1], f8[::1], f8[::1], i8[:, ::1])")
def _align(substitution, deletion, insertion, pairs):
    """Fill the last rows of pairs (n + m, 2) with the cheapest alignment; returns the first row that is used.

    Row i, column j of the table are what the first i and the first j items cost; `move` is the last step there.
    """
    n, m = deletion.size, insertion.size
    move = np.empty((n + 1, m + 1), np.uint8)
    above, here = np.empty(m + 1), np.empty(m + 1)
    above[0] = 0.0
    for j in range(m):
        above[j + 1] = above[j] + insertion[j]
        move[0, j + 1] = _INSERTION
    for i in range(n):
        here[0] = above[0] + deletion[i]
        move[i + 1, 0] = _DELETION
        for j in range(m):
            cost, step = above[j] + substitution[i, j], _BOTH
            if here[j] + insertion[j] < cost:
                cost, step = here[j] + insertion[j], _INSERTION
            if above[j + 1] + deletion[i] < cost:
                cost, step = above[j + 1] + deletion[i], _DELETION
            here[j + 1] = cost
            move[i + 1, j + 1] = step
        above, here = here, above
    row, i, j = n + m, n, m
    while i > 0 or j > 0:
        row -= 1
        step = move[i, j]
        pairs[row, 0] = -1
        pairs[row, 1] = -1
        if step != _INSERTION:
            i -= 1
            pairs[row, 0] = i
        if step != _DELETION:
            j -= 1
            pairs[row, 1] = j
    return row


@kernel("void(i8[::1], i8[::1], i8[::1], i8, i8, f8[:, ::1])")
def _count_errors(reference, items, offsets, substitution, gap, counts):
    """Substitutions, insertions and deletions of the alignments of a reference with several hypotheses.

    Hypothesis h is items[offsets[h]] …; rows of `counts` (H, 3) are filled. The same alignments as those of `_align`,
    without their paths.
    """
    n = reference.size
    for h in range(counts.shape[0]):
        lo, m = offsets[h], offsets[h + 1] - offsets[h]
        cost, changed = np.empty(m + 1, np.int64), np.zeros(m + 1, np.int64)
        for j in range(m + 1):
            cost[j] = j * gap
        for i in range(n):
            corner, corner_changed = cost[0], changed[0]
            cost[0] += gap
            for j in range(m):
                differs = np.int64(reference[i] != items[lo + j])
                best, number = corner + substitution * differs, corner_changed + differs
                if cost[j] + gap < best:
                    best, number = cost[j] + gap, changed[j]
                if cost[j + 1] + gap < best:
                    best, number = cost[j + 1] + gap, changed[j + 1]
                corner, corner_changed = cost[j + 1], changed[j + 1]
                cost[j + 1], changed[j + 1] = best, number
        gaps = (cost[m] - substitution * changed[m]) // gap
        counts[h, 0] = changed[m]
        counts[h, 1] = (gaps + m - n) // 2
        counts[h, 2] = (gaps + n - m) // 2
