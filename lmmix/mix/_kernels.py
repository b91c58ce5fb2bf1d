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


@kernel("void(f8[:, ::1], f8[::1])")
def _log_sums(joint, out):
    """out[t] = ln Σ_k exp(joint[t, k]), −inf where all are."""
    for t in range(joint.shape[0]):
        largest = -np.inf
        for k in range(joint.shape[1]):
            largest = max(largest, joint[t, k])
        if largest == -np.inf:
            out[t] = -np.inf
            continue
        total = 0.0
        for k in range(joint.shape[1]):
            total += np.exp(joint[t, k] - largest)
        out[t] = largest + np.log(total)


@kernel("void(f8[:, ::1], f8[::1], f8[:, ::1], f8[:, ::1])")
def _log_softmax(features, bias, theta, out):
    """out[t, k] = a_k − ln Σ exp a, a_k = bias[k] + Σ_j theta[k, j] features[t, j]; at least one bias is finite."""
    for t in range(features.shape[0]):
        largest = -np.inf
        for k in range(bias.size):
            value = bias[k]
            for j in range(theta.shape[1]):
                value += theta[k, j] * features[t, j]
            out[t, k] = value
            largest = max(largest, value)
        total = 0.0
        for k in range(bias.size):
            total += np.exp(out[t, k] - largest)
        shift = largest + np.log(total)
        for k in range(bias.size):
            out[t, k] -= shift


@kernel("f8(f8[:, ::1], f8[:, ::1], f8[::1], f8[:, ::1], i8, i8, f8[::1], f8[:, ::1])")
def _gate_sums(p, features, bias, theta, lo, hi, to_bias, to_theta):
    """Σ_t ln Σ_k w_k(t) p[t, k] of the rows lo…hi, w the softmax of bias + theta · features; adds its gradient.

    ∂/∂a_k ln Σ w p = share_k − w_k, share_k = w_k p_k / Σ w p.
    """
    members, columns = theta.shape
    weight = np.empty(members)
    total = 0.0
    for t in range(lo, hi):
        largest = -np.inf
        for k in range(members):
            value = bias[k]
            for j in range(columns):
                value += theta[k, j] * features[t, j]
            weight[k] = value
            largest = max(largest, value)
        norm = 0.0
        mix = 0.0
        for k in range(members):
            weight[k] = np.exp(weight[k] - largest)
            norm += weight[k]
            mix += weight[k] * p[t, k]
        mix = max(mix, 1e-300)
        total += np.log(mix / norm)
        for k in range(members):
            slope = weight[k] * (p[t, k] / mix - 1.0 / norm)
            to_bias[k] += slope
            for j in range(columns):
                to_theta[k, j] += slope * features[t, j]
    return total


@kernel("void(f8[:, ::1], f8[::1], f8, f8, boolean, f8[::1], f8[:, ::1])")
def _online_weights(logp, start, rate, share, additive, weights, out):
    """out[t] = the weights before event t; `weights` are those at first, and in the end those behind the last event.

    Each event moves weight towards members that gave it more: by a factor p_k^rate, or exp(rate p_k / p_mix) if
    `additive`; then a part `share` of all weight is dealt out anew as at the `start`. Events that nobody gives a
    probability, or only members without weight, move nothing.
    """
    members = start.size
    moved = np.empty(members)
    for t in range(logp.shape[0]):
        largest = -np.inf
        for k in range(members):
            out[t, k] = weights[k]
            largest = max(largest, logp[t, k])
        if largest == -np.inf:
            continue
        mix = 0.0
        for k in range(members):
            mix += weights[k] * np.exp(logp[t, k] - largest)
        total = 0.0
        for k in range(members):
            # The best member has exponent 0, so no other has one above. 0 times −inf would be nan.
            exponent = 0.0
            if additive:
                exponent = rate * (np.exp(logp[t, k] - largest) - 1.0) / max(mix, 1e-300)
            elif rate > 0.0:
                exponent = rate * (logp[t, k] - largest)
            moved[k] = weights[k] * np.exp(exponent)
            total += moved[k]
        if total == 0.0:
            continue
        for k in range(members):
            weights[k] = (1.0 - share) * moved[k] / total + share * start[k]
