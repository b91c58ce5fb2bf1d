"""Kernels of log-linear mixtures of any models: x is (K, n, V), ln p of each word in n histories under K models."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BOS = 1


@kernel("void(f8[:, :, ::1], f8[::1], i8, i8, f8[:, ::1], i8[::1])")
def _multiply(x, weights, row, last_row, out, zero):
    """out[i, w] = Σ_k weights[k] x[k, i, w] for some rows i, −inf for `<s>` and where some model gives probability 0.

    zero[k] becomes a word to which model k gives probability 0, but not all do.
    """
    members, words = x.shape[0], x.shape[2]
    for i in range(row, last_row):
        for w in range(words):
            out[i, w] = weights[0] * x[0, i, w]
        for k in range(1, members):
            for w in range(words):
                out[i, w] += weights[k] * x[k, i, w]
        out[i, BOS] = -np.inf
        for w in range(words):
            if np.isfinite(out[i, w]) or w == BOS:
                continue
            out[i, w] = -np.inf
            zeros = 0
            for k in range(members):
                zeros += x[k, i, w] == -np.inf
            for k in range(members):
                if x[k, i, w] == -np.inf and zeros < members:
                    zero[k] = w


@kernel("void(f8[:, :, ::1], f8[:, ::1], i8, i8, i8, f8[::1], f8[:, ::1])")
def _sum_up(x, log_f, row, last_row, size, log_z, total):
    """log_z[i] = ln Σ_w exp(log_f[i, w]) for some rows i; the first column of `total` gets Σ E[x], the rest Σ Cov[x].

    The first row of `total` is not used; with `size` 1 there is nothing else.
    """
    words = x.shape[2]
    p, away = np.empty(words), np.empty((size, words))
    for i in range(row, last_row):
        largest = -np.inf
        for w in range(words):
            largest = max(largest, log_f[i, w])
        if largest == -np.inf:
            log_z[i] = -np.inf
            continue
        z = 0.0
        for w in range(words):
            p[w] = np.exp(log_f[i, w] - largest)
            z += p[w]
        log_z[i] = largest + np.log(z)
        for k in range(1, size):
            mean = 0.0
            for w in range(words):
                away[k, w] = x[k - 1, i, w] if p[w] > 0.0 else 0.0
                mean += p[w] * away[k, w]
            mean /= z
            total[k, 0] += mean
            for w in range(words):
                away[k, w] -= mean
            for j in range(1, k + 1):
                product = 0.0
                for w in range(words):
                    product += p[w] * away[k, w] * away[j, w]
                total[k, j] += product / z
