"""Kernels that write ARPA files: n-grams with their numbers as lines of bytes."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

LOG_ZERO = -99.0
MOST = 99.0
LINE_SPARE = 64
DECIMALS = 7
SCALE = 10**DECIMALS

TAB, NEWLINE, SPACE, MINUS, POINT, ZERO = 9, 10, 32, 45, 46, 48


@kernel("u8(f8, u1[::1], u1[::1], u8)")
def _write_number(value, digits, out, at):
    """Write a log10 with at most seven decimals, no trailing zeros, -99 for log10(0); returns the place behind.

    `digits` holds the texts 0000 … 9999, one after the other. Here and below places are unsigned, which spares
    Numba the test for negative ones.
    """
    if value <= LOG_ZERO:
        out[at] = MINUS
        out[at + np.uint64(1)] = ZERO + 9
        out[at + np.uint64(2)] = ZERO + 9
        return at + np.uint64(3)
    scaled = np.uint32(np.floor(min(abs(value), MOST) * SCALE + 0.5))
    if value < 0 and scaled > 0:
        out[at] = MINUS
        at += np.uint64(1)
    whole = scaled // np.uint32(SCALE)
    fraction = scaled % np.uint32(SCALE)
    if whole >= 10:
        out[at] = ZERO + whole // np.uint32(10)
        at += np.uint64(1)
    out[at] = ZERO + whole % np.uint32(10)
    at += np.uint64(1)
    if fraction == 0:
        return at
    out[at] = POINT
    high = np.uint64(fraction // np.uint32(10000)) * np.uint64(4)
    low = np.uint64(fraction % np.uint32(10000)) * np.uint64(4)
    for k in range(3):
        out[at + np.uint64(k + 1)] = digits[high + np.uint64(k + 1)]
    for k in range(4):
        out[at + np.uint64(k + 4)] = digits[low + np.uint64(k)]
    at += np.uint64(8)
    while out[at - np.uint64(1)] == ZERO:
        at -= np.uint64(1)
    return at


@kernel("u8(u1[::1], u8, u8, u1[::1], u8)")
def _copy_bytes(source, lo, size, out, at):
    for i in range(size):
        out[at + i] = source[lo + i]
    return at + size


@kernel("u8(i4[::1], u1[::1], i8[::1], i8, i8[::1], u1[::1])")
def _write_context(word, pool, pool_begin, order, path, out):
    """Write the first order − 1 words of the path, each with a space behind it; returns the number of bytes."""
    at = np.uint64(0)
    for k in range(1, order):
        w = word[path[k]]
        at = _copy_bytes(pool, np.uint64(pool_begin[w]), np.uint64(pool_begin[w + 1] - pool_begin[w]), out, at)
        out[at] = SPACE
        at += np.uint64(1)
    return at


@kernel("void(i4[::1], i8, i8[::1], i8)")
def _move_path(begin, order, path, node):
    """Make the path lead to `node`, which is of that order and not before path[order]."""
    path[order] = node
    for k in range(order, 0, -1):
        while path[k] >= begin[path[k - 1] + 1]:
            path[k - 1] += 1


@kernel(
    "Tuple((i8, i8))(i4[::1], i4[::1], f8[::1], f8[::1], u1[::1], i8[::1], i8, i8[::1], i8, b1, f8, "
    "u1[::1], u1[::1], u1[::1])"
)
def _format_ngrams(
    word, begin, logp, backoff, pool, pool_begin, order, path, stop, with_backoff, to_log10, digits, context, out
):
    """Write the lines of the nodes from path[order] up to `stop`; returns (next node, bytes written).

    Stops early where `out` might not hold the next line. Back-offs are written where a node has children, or
    where they matter without. The words of a context are put together in `context`, once for all n-grams in it.
    """
    at = np.uint64(0)
    node = path[order]
    while node < stop:
        size = _write_context(word, pool, pool_begin, order, path, context)
        end = min(np.int64(begin[path[order - 1] + 1]), stop)
        while node < end:
            w = word[node]
            length = pool_begin[w + 1] - pool_begin[w]
            if np.int64(at + size) + length + LINE_SPARE > out.size:
                path[order] = node
                return node, np.int64(at)
            at = _write_number(logp[node] * to_log10, digits, out, at)
            out[at] = TAB
            at = _copy_bytes(context, np.uint64(0), size, out, at + np.uint64(1))
            at = _copy_bytes(pool, np.uint64(pool_begin[w]), np.uint64(length), out, at)
            if with_backoff and (begin[node] < begin[node + 1] or backoff[node] != 0.0):
                out[at] = TAB
                at = _write_number(backoff[node] * to_log10, digits, out, at + np.uint64(1))
            out[at] = NEWLINE
            at += np.uint64(1)
            node += 1
        if node < stop:
            _move_path(begin, order, path, node)
    path[order] = node
    return node, np.int64(at)
