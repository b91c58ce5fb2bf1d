"""Kernels of mixing: arrays of numbers in, numbers out; they know no model.

`p` is (K, T): the probabilities of each event relative to its likeliest member, so every column has a 1.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BLOCK = 1024
PRODUCT_FLOOR = 1e-200
TINY = 1e-100


@kernel("i8(f8[:, ::1], i8, i8, f8[:, ::1], f8[::1])")
def _relative(logp, lo, hi, p, shift):
    """p[k, t] = exp(logp[t, k] − shift[t]) with shift the row's maximum; the first bad row, or -1.

    A row is bad if it has no finite maximum (all members give 0, or one gives nan or more than exp(inf)).
    """
    members = logp.shape[1]
    for t in range(lo, hi):
        largest = -np.inf
        for k in range(members):
            if np.isnan(logp[t, k]):
                return t
            largest = max(largest, logp[t, k])
        if not np.isfinite(largest):
            return t
        shift[t] = largest
        for k in range(members):
            p[k, t] = np.exp(logp[t, k] - largest)
    return -1


@kernel("f8(f8[:, ::1], f8[::1], i8, i8, f8[::1])")
def _em_sums(p, weights, lo, hi, ratio):
    """Add Σ_t p[k, t] / mix_t to ratio[k] for the events lo…hi, mix_t = Σ_k w_k p[k, t]; returns Σ_t ln mix_t.

    Logarithms are taken of products of many mix_t, which never exceed 1, before these can underflow.
    """
    mix = np.empty(BLOCK)
    log_sum = 0.0
    product = 1.0
    for start in range(lo, hi, BLOCK):
        size = min(BLOCK, hi - start)
        mix[:size] = 0.0
        for k in range(weights.size):
            weight = weights[k]
            for i in range(size):
                mix[i] += weight * p[k, start + i]
        for i in range(size):
            if mix[i] < TINY:
                log_sum += np.log(mix[i])
            else:
                product *= mix[i]
                if product < PRODUCT_FLOOR:
                    log_sum += np.log(product)
                    product = 1.0
        for i in range(size):
            mix[i] = 1.0 / mix[i]
        for k in range(weights.size):
            # Four sums that do not wait for one another; their order is fixed, so the result is too.
            a, b, c, d = 0.0, 0.0, 0.0, 0.0
            whole = size - size % 4
            for i in range(0, whole, 4):
                a += mix[i] * p[k, start + i]
                b += mix[i + 1] * p[k, start + i + 1]
                c += mix[i + 2] * p[k, start + i + 2]
                d += mix[i + 3] * p[k, start + i + 3]
            for i in range(whole, size):
                a += mix[i] * p[k, start + i]
            ratio[k] += (a + b) + (c + d)
    return log_sum + np.log(product)


@kernel("void(f8[:, ::1], f8[::1], f8[::1])")
def _mix_rows(logp, log_weights, out):
    """out[t] = ln Σ_k exp(log_weights[k] + logp[t, k]), −inf where all are."""
    for t in range(logp.shape[0]):
        largest = -np.inf
        for k in range(log_weights.size):
            largest = max(largest, log_weights[k] + logp[t, k])
        if largest == -np.inf:
            out[t] = -np.inf
            continue
        total = 0.0
        for k in range(log_weights.size):
            total += np.exp(log_weights[k] + logp[t, k] - largest)
        out[t] = largest + np.log(total)
