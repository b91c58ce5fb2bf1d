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
    probability move nothing.
    """
    members = start.size
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
            if additive:
                weights[k] *= np.exp(rate * (np.exp(logp[t, k] - largest) / max(mix, 1e-300) - 1.0 / members))
            else:
                weights[k] *= np.exp(rate * (logp[t, k] - largest))
            total += weights[k]
        for k in range(members):
            weights[k] = (1.0 - share) * weights[k] / total + share * start[k]
