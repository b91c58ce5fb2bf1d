"""Kernels of smoothing on the aligned arrays of an `NgramTree`.

`counts` are what an order is estimated from, raw or adjusted; `raw` are the occurrences, which cut-offs judge.
An n-gram with a raw count below `minimum` is left out of the model: all its count is taken away. Places are unsigned
where it counts, which spares Numba the test for negative ones. `discount` is
(K + 1,): what is taken from a count of 0, 1, …, K and more.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

NEARLY_ALL = 0.01


@kernel("void(i4[::1], i8, i8, i4[::1])")
def _add_continuations(suffix, lo, hi, adjusted):
    """adjusted[s] += 1 for each n-gram lo…hi with suffix s: how many words are seen before s."""
    for j in range(lo, hi):
        adjusted[suffix[j]] += 1


@kernel("void(i4[::1], i8, i8, i8[::1])")
def _counts_of_counts(counts, lo, hi, histogram):
    """histogram[r] becomes the number of n-grams lo…hi with count r, its last entry that of all larger counts too."""
    top = histogram.size - 1
    for j in range(lo, hi):
        histogram[min(counts[j], top)] += 1


@kernel(["u8(i4, i8)", "u8(f8, i8)"])
def _kind(count, top):
    """Which discount a count has: fractions round up."""
    whole = np.int64(count)
    whole += whole < count
    return np.uint64(min(whole, top))


@kernel(
    [
        "void(i4[::1], i4[::1], i4[::1], f8, f8[::1], i8, i8, f8[::1], f8[::1], f8[::1])",
        "void(i4[::1], f8[::1], f8[::1], f8, f8[::1], i8, i8, f8[::1], f8[::1], f8[::1])",
    ]
)
def _context_sums(begin, counts, raw, minimum, discount, context_lo, context_hi, total, taken, types):
    """For the contexts context_lo…context_hi: the sum of their counts, what is taken from it, how many words follow."""
    top = discount.size - 1
    seen = np.empty(discount.size, np.int64)
    cut = minimum > 0
    for context in range(np.uint64(context_lo), np.uint64(context_hi)):
        whole = 0.0
        lost = 0.0
        positive = 0
        seen[:] = 0
        for j in range(np.uint64(begin[context]), np.uint64(begin[context + np.uint64(1)])):
            count = counts[j]
            whole += count
            positive += count > 0
            if cut and raw[j] < minimum:
                lost += count
            else:
                seen[_kind(count, top)] += 1
        freed = 0.0
        for k in range(discount.size):
            freed += discount[k] * seen[k]
        i = context - np.uint64(context_lo)
        total[i] = whole
        taken[i] = freed + lost
        types[i] = positive


@kernel(
    [
        "void(i4[::1], i4[::1], i4[::1], i4[::1], f8, f8[::1], i8, i8, f8[::1], f8[::1], f8[::1], f8[::1])",
        "void(i4[::1], i4[::1], f8[::1], f8[::1], f8, f8[::1], i8, i8, f8[::1], f8[::1], f8[::1], f8[::1])",
    ]
)
def _share_out(
    begin, suffix, counts, raw, minimum, discount, context_lo, context_hi, denominator, weight, prob, backoff
):
    """prob[j] = (c_j − D(c_j)) / denominator + weight · prob[suffix[j]] for the n-grams in some contexts.

    `denominator` and `weight` have an entry for each context. An n-gram below `minimum` gets what backing off
    gives it. Lower orders and the back-offs of the contexts must be done.
    """
    top = discount.size - 1
    cut = minimum > 0
    for context in range(np.uint64(context_lo), np.uint64(context_hi)):
        i = context - np.uint64(context_lo)
        for j in range(np.uint64(begin[context]), np.uint64(begin[context + np.uint64(1)])):
            count = counts[j]
            lower = prob[np.uint64(suffix[j])]
            if cut and raw[j] < minimum:
                prob[j] = backoff[context] * lower
            else:
                kept = (count - discount[_kind(count, top)]) / denominator[i]
                prob[j] = kept + weight[i] * lower


@kernel(
    [
        "void(i4[::1], i4[::1], i4[::1], i4[::1], f8, f8, i8, i8, f8[::1], f8[::1], f8[::1])",
        "void(i4[::1], i4[::1], i4[::1], f8[::1], f8, f8, i8, i8, f8[::1], f8[::1], f8[::1])",
    ]
)
def _unseen_mass(word, begin, suffix, raw, minimum, lower_minimum, context_lo, context_hi, prob, rest, unseen):
    """unseen[i] = 1 − Σ prob[suffix[j]] over the n-grams j in context i: what the lower order gives to other words.

    Where little is left, the subtraction would lose it. It is then summed up: the other words are those that the
    lower context s knows and this one does not, and those that s does not know either, which have rest[s].
    """
    for context in range(context_lo, context_hi):
        seen = 0.0
        for j in range(begin[context], begin[context + 1]):
            if raw[j] >= minimum:
                seen += prob[suffix[j]]
        left = 1.0 - seen
        if left < NEARLY_ALL:
            lower = suffix[context]
            left = rest[lower]
            j = np.int64(begin[context])
            for k in range(begin[lower], begin[lower + 1]):
                while j < begin[context + 1] and (word[j] < word[k] or raw[j] < minimum):
                    j += 1
                known = j < begin[context + 1] and word[j] == word[k]
                if not known and raw[k] >= lower_minimum:
                    left += prob[k]
        unseen[context - context_lo] = left


@kernel("void(f8[::1], i8, i8)")
def _log_in_place(values, lo, hi):
    for i in range(lo, hi):
        values[i] = np.log(values[i])
