"""Kernels of the OpenFst text format: states, and the lines of arcs."""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

EOS = 2
DECIMALS = 7
SCALE = 10**DECIMALS
LARGEST_COST = 1e9
LINE_SPARE = 128
"""More than all numbers of a line and what parts them."""

TAB, NEWLINE, MINUS, POINT, ZERO = 9, 10, 45, 46, 48


@kernel("void(i4[::1], f8[::1], i4[::1], i4[::1], f8[::1])")
def _find_states(suffix, backoff, state, goal, weight):
    """goal[j] becomes the state that stands for node j, weight[j] the sum of back-offs on the way there.

    state[j] is -1 where a node is none; its history goes on as that of its suffix. Suffixes come first.
    """
    for node in range(suffix.size):
        if state[node] >= 0:
            goal[node] = state[node]
            weight[node] = 0.0
        else:
            goal[node] = goal[suffix[node]]
            weight[node] = weight[suffix[node]]
            if node < backoff.size:
                weight[node] += backoff[node]


@kernel("i8(u8, i8, u1[::1], i8)")
def _write_integer(value, digits, out, at):
    """Write an integer with at least so many digits; returns the place behind."""
    size = digits
    rest = value // np.uint64(10**digits) if digits < 19 else np.uint64(0)
    while rest:
        rest //= np.uint64(10)
        size += 1
    for i in range(at + size - 1, at - 1, -1):
        out[i] = ZERO + value % np.uint64(10)
        value //= np.uint64(10)
    return at + size


@kernel("i8(f8, u1[::1], i8)")
def _write_cost(cost, out, at):
    """Write a cost with seven decimals, no trailing zeros, `Infinity` for that of probability 0."""
    if cost == np.inf:
        for letter in (73, 110, 102, 105, 110, 105, 116, 121):
            out[at] = letter
            at += 1
        return at
    scaled = np.uint64(np.floor(min(abs(cost), LARGEST_COST) * SCALE + 0.5))
    if cost < 0 and scaled > 0:
        out[at] = MINUS
        at += 1
    at = _write_integer(scaled // np.uint64(SCALE), 1, out, at)
    out[at] = POINT
    at = _write_integer(scaled % np.uint64(SCALE), DECIMALS, out, at + 1)
    while out[at - 1] == ZERO:
        at -= 1
    return at - 1 if out[at - 1] == POINT else at


@kernel("i8(i8, i8, u1[::1], i8, i8, f8, u1[::1], i8)")
def _write_arc(source, target, pool, lo, hi, cost, out, at):
    """Write `source target label label cost`, where the label is pool[lo:hi]; returns the place behind."""
    at = _write_integer(np.uint64(source), 1, out, at)
    out[at] = TAB
    at = _write_integer(np.uint64(target), 1, out, at + 1)
    for _ in range(2):
        out[at] = TAB
        at += 1
        for i in range(lo, hi):
            out[at] = pool[i]
            at += 1
    out[at] = TAB
    at = _write_cost(cost, out, at + 1)
    out[at] = NEWLINE
    return at + 1


@kernel(
    "Tuple((i8, i8))(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i4[::1], i4[::1], f8[::1], u1[::1], i8[::1], "
    "u1[::1], i8, i8, u1[::1])"
)
def _format_states(
    word, begin, suffix, logp, backoff, state, goal, weight, pool, pool_begin, backoff_label, node, stop, out
):
    """Write the arcs of the states among the nodes node…stop; returns (next node, bytes written).

    Stops early before a state whose lines might not fit into `out`.
    """
    at = 0
    while node < stop:
        lo = np.int64(begin[node])
        hi = np.int64(begin[node + 1])
        if state[node] >= 0:
            need = (hi - lo + 1) * LINE_SPARE + 2 * backoff_label.size
            for child in range(lo, hi):
                need += 2 * (pool_begin[word[child] + 1] - pool_begin[word[child]])
            if at + need > out.size:
                return node, at
            source = np.int64(state[node])
            for child in range(lo, hi):
                w = word[child]
                if w == EOS and logp[child] > -np.inf:
                    at = _write_integer(np.uint64(source), 1, out, at)
                    out[at] = TAB
                    at = _write_cost(-logp[child], out, at + 1)
                    out[at] = NEWLINE
                    at += 1
                elif w != EOS and (node > 0 or logp[child] > -np.inf):
                    cost = -logp[child] - weight[child]
                    at = _write_arc(
                        source, np.int64(goal[child]), pool, pool_begin[w], pool_begin[w + 1], cost, out, at
                    )
            if node > 0 and backoff[node] > -np.inf:
                cost = -backoff[node] - weight[suffix[node]]
                target = np.int64(goal[suffix[node]])
                at = _write_arc(source, target, backoff_label, 0, backoff_label.size, cost, out, at)
        node += 1
    return node, at
