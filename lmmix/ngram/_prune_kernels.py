"""Kernels of renormalising and of relative-entropy pruning.

All go over the children of the contexts lo…hi, which are of one order; lower orders must be done. `lower[c]` is
ln p(w | h′) of the n-gram c = hw, where h′ is h without its first word: what the model would say without c.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

# Below this, what the children of a context leave to other words is rounding only.
NOTHING = 1e-12
# A larger back-off would make rounding of the mass it multiplies visible in sums of probabilities.
MOST_BACKOFF = 1e6


@kernel("f8(i8[::1], i4[::1], f8[::1], f8[::1], i8, i8)")
def _lower_logp(level, suffix, logp, backoff, context, node):
    """ln p(w | h′) of the n-gram `node`: that of the longest suffix there is, and the back-offs on the way to it."""
    found = np.int64(suffix[node])
    total = logp[found]
    history = np.int64(suffix[context])
    length = 1
    while level[length + 1] <= found:
        length += 1
    while history >= level[length]:
        total += backoff[history]
        history = np.int64(suffix[history])
    return total


@kernel("f8(f8[::1], i8, i8)")
def _mass(values, first, last):
    """Σ exp of values first…last."""
    total = 0.0
    for child in range(first, last):
        total += np.exp(values[child])
    return total


@kernel("void(i8[::1], i4[::1], i4[::1], i8, i8, f8[::1], f8[::1], f8[::1])")
def _renormalise(level, begin, suffix, lo, hi, logp, backoff, lower):
    """Set `lower` of the children and the back-off of each context so that it sums to 1.

    The back-off is N / D with N = 1 − Σ p(w | h) and D = 1 − Σ p(w | h′). Where no back-off makes the sum 1 (N < 0,
    D = 0, N / D beyond all measure), the children are scaled to what the back-off leaves them.
    """
    for context in range(lo, hi):
        first = np.int64(begin[context])
        last = np.int64(begin[context + 1])
        backoff[context] = 0.0
        if first == last:
            continue
        for child in range(first, last):
            lower[child] = _lower_logp(level, suffix, logp, backoff, context, child)
        explicit = _mass(logp, first, last)
        left = max(1.0 - _mass(lower, first, last), 0.0)
        if left <= NOTHING:
            weight = 1.0
            kept = 1.0
            left = 0.0
        else:
            weight = max(1.0 - explicit, 0.0) / left
            if explicit > 0.0:
                weight = min(weight, MOST_BACKOFF)
            kept = 1.0 - weight * left
        backoff[context] = np.log(weight)
        if explicit == 0.0 and left == 0.0:
            logp[first:last] = lower[first:last]
        elif explicit > 1.0 or left == 0.0 or weight == MOST_BACKOFF:
            logp[first:last] += np.log(kept / explicit)


@kernel("void(i4[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8, i8, f8[::1])")
def _score_ngrams(begin, logp, backoff, lower, history, lo, hi, score):
    """score[c] becomes exp(ΔH) − 1, the relative growth of perplexity if the n-gram c alone is left out.

    ΔH = −P(h) · {p(w | h) · [ln p(w | h′) + ln α′ − ln p(w | h)] + N · [ln α′ − ln α]}, with the back-off α = N / D,
    that without the n-gram α′ = (N + p(w | h)) / (D + p(w | h′)), and ln P(h) in `history` (Stolcke 1998).
    """
    for context in range(lo, hi):
        first = np.int64(begin[context])
        last = np.int64(begin[context + 1])
        if first == last:
            continue
        denominator = max(1.0 - _mass(lower, first, last), 0.0)
        numerator = np.exp(backoff[context]) * denominator
        weight = np.exp(history[context])
        for child in range(first, last):
            p = np.exp(logp[child])
            q = np.exp(lower[child])
            if q == 0.0:
                # Without the n-gram its word could not be said at all.
                score[child] = np.inf if p > 0.0 else 0.0
                continue
            backoff_without = np.log((numerator + p) / (denominator + q))
            change = 0.0
            if p > 0.0:
                change += p * (lower[child] + backoff_without - logp[child])
            if numerator > 0.0:
                change += numerator * (backoff_without - backoff[context])
            score[child] = max(np.expm1(-weight * change), 0.0)


@kernel("void(i4[::1], f8[::1], f8[::1], f8[::1], i8, i8, f4[::1])")
def _find_excess(begin, logp, backoff, lower, lo, hi, excess):
    """excess[c] becomes p(w | h) − backoff(h) · p(w | h′): what h says of w beyond what backing off would say."""
    for context in range(lo, hi):
        weight = np.exp(backoff[context])
        for child in range(begin[context], begin[context + 1]):
            excess[child] = np.exp(logp[child]) - weight * np.exp(lower[child])


@kernel("void(i4[::1], f8[::1], f8[::1], i8, i8, f8[::1], f8[::1])")
def _fall_back(suffix, weight, visits, lo, hi, asked, passed):
    """passed[h′] += what is asked of h and left to h′ by its back-off weight, less what `visits` counts of h itself."""
    for context in range(np.uint64(lo), np.uint64(hi)):
        passed[np.uint64(suffix[context])] += asked[context] * weight[context] - visits[context]


@kernel("void(i4[::1], i4[::1], f8[::1], f4[::1], f8[::1], i8, i8, f8[::1], f8[::1])")
def _say_words(begin, suffix, prob, excess, asked, lo, hi, visits, passed):
    """visits[c] += what the context of c says of it; passed[its suffix] += what that did not know of already.

    The longest n-grams have no entry in `visits`.
    """
    for context in range(lo, hi):
        asked_here = asked[context]
        first = np.uint64(begin[context])
        last = np.uint64(begin[context + 1])
        if first < np.uint64(visits.size):
            for child in range(first, last):
                passed[np.uint64(suffix[child])] += visits[child] + asked_here * excess[child]
                visits[child] += asked_here * prob[child]
        else:
            for child in range(first, last):
                passed[np.uint64(suffix[child])] += asked_here * excess[child]
