"""Kernels of log-linear mixtures of back-off models: sums over the vocabulary, from one history to the next.

In one history, a word w has the vector z = (1, x_1, …, x_K) of the log-probabilities that K models give it, and the
weight f = exp(Σ_k w_k x_k). All that is asked for is the matrix A = Σ_w f z zᵀ, `size` rows of it: its corner is the
normaliser, its first column the first moments, the rest the second ones. Matrices are kept relative to exp(scale), so
that nothing overflows, and only on and below the diagonal.

Words to which some model gives probability 0 have f = 0, and so has `<s>`.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BOS = 1

LARGEST_PART = 1e3
"""What is known from the history before may be so many times the sum: more than that, and too many digits are lost."""


@kernel("void(i4[::1], i4[::1], f8[::1], i4[::1], i4[:, ::1], f8[:, ::1], i8[::1], i8, i4[::1], f8[::1])")
def _copy_children(word, begin, logp, rename, contexts, backoff, place, member, out_word, out_logp):
    """Copy what model `member` knows behind contexts[:, member] to the places place[row · K + member] ….

    Words get the numbers `rename`. Where the back-off is 0, all words come first, with probability 0. A context of -1
    is none; a word outside the vocabulary, which a damaged tree may hold, becomes `<s>`.
    """
    for row in range(contexts.shape[0]):
        context = np.int64(contexts[row, member])
        if context < 0:
            continue
        at = np.uint64(place[row * contexts.shape[1] + member])
        if backoff[row, member] == -np.inf:
            for w in range(rename.size):
                out_word[at] = w
                out_logp[at] = -np.inf
                at += np.uint64(1)
        for child in range(max(begin[context], 0), min(begin[context + 1], word.size)):
            w = np.uint64(word[child])
            out_word[at] = rename[w] if w < np.uint64(rename.size) else BOS
            out_logp[at] = logp[child]
            at += np.uint64(1)


@kernel("f8(f8[:, ::1], i8, f8[::1], f8[::1])")
def _log_product(x, w, offset, weights):
    """ln f of one word, −inf if some model gives it probability 0."""
    total = 0.0
    row = np.uint64(w)
    for k in range(weights.size):
        value = x[row, k]
        if value == -np.inf:
            return -np.inf
        total += weights[k] * (value + offset[k])
    return total


@kernel("void(f8[:, ::1], i8, f8, f8[:, ::1], i8, f8[::1])")
def _add_outer(matrix, size, f, x, w, offset):
    """Add f z zᵀ of one word."""
    matrix[0, 0] += f
    for i in range(1, size):
        first = f * (x[w, i - 1] + offset[i - 1])
        matrix[i, 0] += first
        for j in range(1, i + 1):
            matrix[i, j] += first * (x[w, j - 1] + offset[j - 1])


@kernel("void(f8[:, ::1], i8, i8[::1])")
def _note_zeros(x, w, zero):
    """zero[k] becomes w if model k gives the word probability 0 and another one does not."""
    if w == BOS:
        return
    all_zero = True
    for k in range(zero.size):
        all_zero &= x[w, k] == -np.inf
    for k in range(zero.size):
        if x[w, k] == -np.inf and not all_zero:
            zero[k] = w


@kernel("void(f8[:, ::1])")
def _clear(matrix):
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = 0.0


@kernel("f8(f8[:, ::1], f8[::1], f8[::1], f8[:, ::1], i8, i8[::1])")
def _all_words(x, offset, weights, matrix, size, zero):
    """`matrix` becomes the sum over the vocabulary; returns its scale."""
    scale = -np.inf
    for w in range(x.shape[0]):
        scale = max(scale, _log_product(x, w, offset, weights))
    _clear(matrix)
    for w in range(x.shape[0]):
        log_f = _log_product(x, w, offset, weights)
        if log_f == -np.inf:
            _note_zeros(x, w, zero)
        else:
            _add_outer(matrix, size, np.exp(log_f - scale), x, w, offset)
    return scale


@kernel("i8(f8[:, ::1], i4[::1], f8[:, ::1], i8, i8)")
def _put_back(x, old_word, old_x, filled, end):
    """Undo what was written last, down to `end`; returns that."""
    while filled > end:
        filled -= 1
        w = np.uint64(old_word[filled])
        for k in range(x.shape[1]):
            x[w, k] = old_x[filled, k]
    return filled


@kernel(
    "i8(i4[::1], f8[::1], i8, i8, i8, i8, f8[::1], f8[::1], f8, f8[::1], f8[:, ::1], i4[::1], i4[::1], f8[:, ::1], "
    "i8, f8[:, ::1], i8)"
)
def _write_words(
    words, logp, lo, hi, row, member, above, here, scale, weights, x, stamp, old_word, old_x, filled, explicit, size
):
    """Write the words lo…hi that `member` knows into x, keep what was there, and add that to `explicit`.

    `above` and `here` are the offsets of the history above, whose scale is given, and of this one.
    """
    for e in range(lo, hi):
        w = np.uint64(words[e])
        if w == np.uint64(BOS):
            continue
        if stamp[w] != row:
            stamp[w] = row
            old_word[filled] = words[e]
            for k in range(x.shape[1]):
                old_x[filled, k] = x[w, k]
            log_f = _log_product(x, words[e], above, weights)
            if log_f > -np.inf:
                _add_outer(explicit, size, np.exp(log_f - scale), x, words[e], above)
            filled += 1
        x[w, member] = logp[e] - here[member]
    return filled


@kernel("f8(f8[:, ::1], i4[::1], i8, i8, f8[::1], f8[::1], f8, f8[::1])")
def _largest(x, old_word, top, filled, offset, weights, least, log_f):
    """The largest ln f of the words written, or `least`; log_f[i] becomes that of each."""
    for i in range(top, filled):
        log_f[i] = _log_product(x, old_word[i], offset, weights)
        least = max(least, log_f[i])
    return least


@kernel("void(f8[:, ::1], i4[::1], i8, i8, f8[::1], f8, f8[::1], f8[:, ::1], i8, i8[::1])")
def _add_words(x, old_word, top, filled, offset, scale, log_f, matrix, size, zero):
    """Add f z zᵀ of the words written."""
    for i in range(top, filled):
        if log_f[i] > -np.inf:
            _add_outer(matrix, size, np.exp(log_f[i] - scale), x, old_word[i], offset)
        else:
            _note_zeros(x, old_word[i], zero)


@kernel("void(f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], i8, f8, i8)")
def _move(before, explicit, after, backoff, row, factor, size):
    """`after` becomes factor · Σ f (z + b)(z + b)ᵀ of the words that `before` counts and `explicit` does not.

    b is backoff[row], with a 0 for the 1 of z.
    """
    for i in range(size):
        for j in range(i + 1):
            after[i, j] = factor * (before[i, j] - explicit[i, j])
    for i in range(size - 1, 0, -1):
        for j in range(i, 0, -1):
            after[i, j] += backoff[row, i - 1] * after[j, 0] + backoff[row, j - 1] * after[i, 0]
            after[i, j] += backoff[row, i - 1] * backoff[row, j - 1] * after[0, 0]
    for i in range(1, size):
        after[i, 0] += backoff[row, i - 1] * after[0, 0]


@kernel("void(f8[:, ::1], f8, i8, f8[:, ::1])")
def _add_moments(matrix, count, size, total):
    """Add count · E[x] and count · Cov[x] to `total`."""
    for i in range(1, size):
        mean = matrix[i, 0] / matrix[0, 0]
        total[i, 0] += count * mean
        for j in range(1, i + 1):
            total[i, j] += count * (matrix[i, j] / matrix[0, 0] - mean * matrix[j, 0] / matrix[0, 0])


@kernel(
    "void(i4[::1], f8[::1], i8[::1], f8[:, ::1], i8[::1], i8, i8, f8[::1], f8[:, ::1], f8[::1], i8, "
    "f8[::1], f8[:, ::1], i8[::1])"
)
def _walk_histories(words, logp, place, backoff, depth, levels, room, weights, x, counts, size, log_z, total, zero):
    """Go through a tree of joint histories, depth first; row 0 is the root, the empty contexts.

    Behind history `row`, model k knows words[place[row · K + k]…] with probabilities `logp`; the others have those of
    the history above, times backoff[row, k]. The array x is (V, K): x[w, k] + offset[k] is the log-probability of
    w at the history where the walk is; it holds that of the empty contexts at first. Words known are written into it,
    and what was there before is put back on the way up; at most `room` words wait for that.

    log_z[row] becomes the logarithm of the normaliser. The first column of `total` gets the sum of counts[row] · E[x],
    the rest that of counts[row] · Cov[x]. See `_note_zeros` about `zero`.
    """
    members = weights.size
    offset, scale, sums = np.zeros((levels, members)), np.zeros(levels), np.zeros((levels, size, size))
    explicit = np.zeros((size, size))
    old_word, old_x, log_f = np.empty(room, np.int32), np.empty((room, members)), np.empty(room)
    end, filled = np.zeros(levels, np.int64), 0
    stamp = np.zeros(x.shape[0], np.int32)
    for row in range(depth.size):
        d = depth[row]
        if d == 0:
            scale[0] = _all_words(x, offset[0], weights, sums[0], size, zero)
        else:
            filled = top = _put_back(x, old_word, old_x, filled, end[d - 1])
            shift = scale[d - 1]
            for k in range(members):
                offset[d, k] = offset[d - 1, k] + backoff[row, k]
                shift += weights[k] * backoff[row, k]
            _clear(explicit)
            for k in range(members):
                lo, hi = place[row * members + k], place[row * members + k + 1]
                filled = _write_words(
                    words, logp, lo, hi, row, k, offset[d - 1], offset[d], scale[d - 1], weights, x, stamp,
                    old_word, old_x, filled, explicit, size,
                )  # fmt: skip
            scale[d] = _largest(x, old_word, top, filled, offset[d], weights, shift, log_f)
            part = np.exp(shift - scale[d])
            _move(sums[d - 1], explicit, sums[d], backoff, row, part, size)
            _add_words(x, old_word, top, filled, offset[d], scale[d], log_f, sums[d], size, zero)
            if not part * sums[d - 1, 0, 0] < LARGEST_PART * sums[d, 0, 0]:
                scale[d] = _all_words(x, offset[d], weights, sums[d], size, zero)
        end[d] = filled
        log_z[row] = scale[d] + np.log(sums[d, 0, 0])
        if counts[row] > 0.0:
            _add_moments(sums[d], counts[row], size, total)
