"""Kernels of mixing: arrays of numbers in, numbers out; they know no model.

`p` is (K, T): the probabilities of each event under each member, times any positive number an event.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BLOCK = 1024
PRODUCT_FLOOR = 1e-200
TINY = 1e-100


@kernel("f8(f8[:, ::1], f8[::1], f8[::1], f8[::1])")
def _em_sums(p, counts, weights, ratio):
    """Add Σ_t c_t p[k, t] / mix_t to ratio[k], mix_t = Σ_k w_k p[k, t]; returns Σ_t c_t ln mix_t.

    c_t is counts[t], or 1 if `counts` is empty. Then logarithms are taken of products of many mix_t, which never
    exceed 1, before these can underflow.
    """
    mix = np.empty(BLOCK)
    events = p.shape[1]
    log_sum = 0.0
    product = 1.0
    for start in range(0, events, BLOCK):
        size = min(BLOCK, events - start)
        mix[:size] = 0.0
        for k in range(weights.size):
            weight = weights[k]
            for i in range(size):
                mix[i] += weight * p[k, start + i]
        if counts.size:
            for i in range(size):
                log_sum += counts[start + i] * np.log(mix[i])
                mix[i] = counts[start + i] / mix[i]
        else:
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


@kernel("void(f8[:, ::1], f8[::1], f8[::1], f8[:, ::1])")
def _curvature_sums(p, counts, weights, hessian):
    """Add Σ_t c_t p[j, t] p[k, t] / mix_t² to hessian[j, k]; what `counts` and mix_t are says `_em_sums`."""
    members, events = p.shape
    row = np.empty(members)
    for t in range(events):
        mix = 0.0
        for k in range(members):
            row[k] = p[k, t]
            mix += weights[k] * row[k]
        for k in range(members):
            row[k] /= mix
        for j in range(members):
            scaled = counts[t] * row[j] if counts.size else row[j]
            for k in range(members):
                hessian[j, k] += scaled * row[k]


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
