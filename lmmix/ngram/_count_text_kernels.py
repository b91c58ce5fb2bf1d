"""Kernels that write count files: n-grams with their counts as lines of bytes."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

TAB, NEWLINE, SPACE, MINUS, POINT, ZERO, LETTER_E = 9, 10, 32, 45, 46, 48, 101

COUNT_DIGITS = 15
SPECIAL_WORDS = 3
LINE_SPARE = 64


@kernel("u8(u8, u8, u1[::1], u8)")
def _write_integer(value, least_digits, out, at):
    """Write a whole number, with zeros before it if it has fewer digits; returns the place behind."""
    ten = np.uint64(10)
    digits = np.uint64(1)
    rest = value // ten
    while rest > 0:
        digits += np.uint64(1)
        rest //= ten
    end = at + max(digits, least_digits)
    place = end
    while place > at:
        place -= np.uint64(1)
        out[place] = ZERO + value % ten
        value //= ten
    return end


@kernel("u8(f8, u1[::1], u8)")
def _write_count(value, out, at):
    """Write a count: whole numbers exactly, others with 15 significant digits and no trailing zeros."""
    if value == np.floor(value):
        return _write_integer(np.uint64(value), np.uint64(1), out, at)
    ten = np.uint64(10)
    decimals = min(COUNT_DIGITS - 1 - np.int64(np.floor(np.log10(value))), 300)
    scaled = np.uint64(np.floor(value * 10.0**decimals + 0.5))
    while decimals > 0 and scaled % ten == 0:
        scaled //= ten
        decimals -= 1
    if decimals > 18:
        at = _write_integer(scaled, np.uint64(1), out, at)
        out[at] = LETTER_E
        out[at + np.uint64(1)] = MINUS
        return _write_integer(np.uint64(decimals), np.uint64(1), out, at + np.uint64(2))
    power = np.uint64(1)
    for _ in range(decimals):
        power *= ten
    at = _write_integer(scaled // power, np.uint64(1), out, at)
    if decimals == 0:
        return at
    out[at] = POINT
    return _write_integer(scaled % power, np.uint64(decimals), out, at + np.uint64(1))


@kernel("u8(u1[::1], u8, u8, u1[::1], u8)")
def _copy_bytes(source, lo, hi, out, at):
    for i in range(lo, hi):
        out[at + i - lo] = source[i]
    return at + hi - lo


@kernel("u8(u1[::1], i8[::1], i4, u1[::1], u8)")
def _copy_word(pool, pool_begin, word, out, at):
    return _copy_bytes(pool, np.uint64(pool_begin[word]), np.uint64(pool_begin[word + 1]), out, at)


@kernel("Tuple((i8, i8, i8))(i4[::1], i4[::1], f8[::1], u1[::1], i8[::1], i8, i8[::1], i8, i8, u1[::1], u1[::1])")
def _format_counts(word, begin, count, pool, pool_begin, lowest, path, depth, nodes, prefix, out):
    """Write `w1 … wn TAB count` for the next nodes of the orders lowest … path.size − 1, depth first.

    path[:depth + 1] leads to the first one; returns (depth, how many nodes are left, bytes written), and in
    `path` the place, which is not behind the last node only where `out` might not hold the next line. Special
    words that do not occur get no line. `prefix` holds the words of the path, each with a space behind.
    """
    highest = path.size - 1
    prefix_end = np.zeros(path.size, np.uint64)
    for k in range(1, depth):
        prefix_end[k] = _copy_word(pool, pool_begin, word[path[k]], prefix, prefix_end[k - 1]) + np.uint64(1)
        prefix[prefix_end[k] - np.uint64(1)] = SPACE
    at = np.uint64(0)
    while nodes > 0:
        node = path[depth]
        w = word[node]
        if depth >= lowest:
            size = prefix_end[depth - 1]
            if np.int64(at + size) + pool_begin[w + 1] - pool_begin[w] + LINE_SPARE > out.size:
                return depth, nodes, np.int64(at)
            nodes -= 1
            if count[node] > 0 or w >= SPECIAL_WORDS:
                at = _copy_bytes(prefix, np.uint64(0), size, out, at)
                at = _copy_word(pool, pool_begin, w, out, at)
                out[at] = TAB
                at = _write_count(count[node], out, at + np.uint64(1))
                out[at] = NEWLINE
                at += np.uint64(1)
        if depth < highest and begin[node] < begin[node + 1]:
            prefix_end[depth] = _copy_word(pool, pool_begin, w, prefix, prefix_end[depth - 1]) + np.uint64(1)
            prefix[prefix_end[depth] - np.uint64(1)] = SPACE
            depth += 1
            path[depth] = begin[node]
            continue
        path[depth] += 1
        while depth > 1 and path[depth] == begin[path[depth - 1] + 1]:
            depth -= 1
            path[depth] += 1
    return depth, nodes, np.int64(at)
