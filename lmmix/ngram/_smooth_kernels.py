"""Kernels of Kneser–Ney estimation on the aligned arrays of an `NgramTree`."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel


@kernel("void(i4[::1], i8, i8, i4[::1])")
def _add_continuations(suffix, lo, hi, adjusted):
    """adjusted[s] += 1 for each n-gram lo…hi with suffix s: how many words are seen before s."""
    for j in range(lo, hi):
        adjusted[suffix[j]] += 1


@kernel("void(i4[::1], i8, i8, i8[::1])")
def _counts_of_counts(adjusted, lo, hi, histogram):
    """histogram[r] becomes the number of n-grams lo…hi with count r, for 1 ≤ r < histogram.size."""
    for j in range(lo, hi):
        count = adjusted[j]
        if 0 < count < histogram.size:
            histogram[count] += 1


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], i8, i8, f8[::1], f8[::1])")
def _interpolate(begin, suffix, adjusted, discount, context_lo, context_hi, prob, backoff):
    """Interpolated discounting of the n-grams in the contexts context_lo…context_hi.

    prob[j] = max(a_j − D(a_j), 0) / A + γ · prob[suffix[j]], γ = Σ D / A; γ becomes the context's back-off.
    `discount` is (4,): D(0) = 0, D(1), D(2), D(3 and more). Lower orders must be done.
    """
    seen = np.empty(4, np.int64)
    for context in range(context_lo, context_hi):
        lo = begin[context]
        hi = begin[context + 1]
        backoff[context] = 1.0
        if lo == hi:
            continue
        total = np.int64(0)
        seen[:] = 0
        for j in range(lo, hi):
            total += adjusted[j]
            seen[min(adjusted[j], 3)] += 1
        left = (discount[1] * seen[1] + discount[2] * seen[2] + discount[3] * seen[3]) / total
        backoff[context] = left
        for j in range(lo, hi):
            count = adjusted[j]
            kept = (count - discount[min(count, 3)]) / total
            prob[j] = kept + left * prob[suffix[j]]


@kernel("void(f8[::1], i8, i8)")
def _log_in_place(values, lo, hi):
    for i in range(lo, hi):
        values[i] = np.log(values[i])
