"""Kernels that walk the tree: the automaton of a back-off model, and finding places for new n-grams.

A state is a node: the longest known context. A word either extends it, or the state falls back along its
suffix link and pays the back-off. `top` is the first node of the highest order: from there on nodes have
neither children nor back-offs. All numbers are natural logarithms.

Large model files are not read through before they are used, so whatever a damaged tree holds, kernels that query read
and write inside the arrays only, and end: children outside the tree are none, and a suffix that is not a node before is
the empty context.

A large tree lies in main memory, and a walk is a chain of three loads for each event (suffix, begin, word), each of
which waits for the one before. So long texts are walked in many places at once, and the processor is told early what
will be needed (Chen, Ailamaki, Gibbons & Mowry 2004, "Improving hash join performance through prefetching").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lmmix.ngram.tree import MAX_ORDER
from lmmix.parallel import kernel

BOS = 1

LANES = 16
"""Walks at a time: enough to hide the wait for memory, few enough to stay in the nearest cache."""

RUNS = 32
"""Contexts that are looked for at a time."""

# Columns of a table of stretches, and their number.
FROM, FIRST, END, NODE = range(4)
STRETCH = 4


def _make_prefetch(_context, array, place):
    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        reading, keep_near, data_cache = number(0), number(3), number(1)
        builder.call(function, [pointer, reading, keep_near, data_cache])
        return context.get_dummy_value()

    return types.void(array, place), generate


_prefetch: Any = intrinsic(_make_prefetch)
"""_prefetch(array, place) tells the processor that array[place] will be read soon."""


@kernel("i8(i4[::1], i8, i8, i8)")
def _find_child(word, lo, hi, wanted):
    """The node lo…hi with last word `wanted`, or -1.

    Words ascend, so the k-th is at least k, and `wanted` is not behind lo + wanted. Which half to go on with is
    chosen without a jump, which the processor would guess wrong every other time.
    """
    count = min(hi - lo, wanted + 1)
    if count <= 0 or lo < 0 or hi > word.size:
        return -1
    at = np.uint64(lo)
    while count > 1:
        half = count >> 1
        at = at + np.uint64(half) if word[at + np.uint64(half - 1)] < wanted else at
        count -= half
    return np.int64(at) if word[at] == wanted else -1


@kernel("i8(i4[::1], i8, i8)")
def _context_behind(suffix, node, top):
    """The context of the next word where `node` was found or failed: its suffix, a node before it and before `top`."""
    link = np.uint64(suffix[np.uint64(node)])
    return np.int64(link) if link < np.uint64(min(node, top)) else 0


@kernel("Tuple((f8, i8))(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i8)")
def _step(word, begin, suffix, logp, backoff, node, wanted):
    """(ln p of `wanted` after the context `node`, the node of the n-gram that was found)."""
    total = 0.0
    while node > 0:
        child = _find_child(word, begin[node], begin[node + 1], wanted)
        if child >= 0:
            return total + logp[child], child
        total += backoff[node]
        node = _context_behind(suffix, node, node)
    return total + logp[1 + wanted], 1 + wanted


@kernel("i8(i8[:, ::1], i8, i8, i8[:, ::1])")
def _enter(stretches, row, lane, lanes):
    """Let a lane begin a stretch; returns the next stretch."""
    for column in range(STRETCH):
        lanes[column, lane] = stretches[row, column]
    return row + 1


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i4[::1], i8[:, ::1], i8, i8, f8[::1], i4[::1])")
def _walk(word, begin, suffix, logp, backoff, top, ids, stretches, row, last_row, out, found):
    """ln p of the events of some stretches to `out`, and the node of the n-gram found to `found`.

    A stretch is a row FROM, FIRST, END, NODE: the walk begins at event FROM in the context NODE, and events FIRST…END
    are those asked for. Each lane walks a stretch. In a round each of them tries to find one n-gram, and all lanes look
    up the children of their contexts before the first finds its word among them, and so on.
    """
    lanes = np.empty((STRETCH + 3, LANES), np.int64)
    at, first, end, node = lanes[FROM], lanes[FIRST], lanes[END], lanes[NODE]
    lo, hi, child = lanes[STRETCH], lanes[STRETCH + 1], lanes[STRETCH + 2]
    total = np.zeros(LANES)
    active = 0
    while active < LANES and row < last_row:
        row = _enter(stretches, row, active, lanes)
        active += 1
    while active > 0:
        for k in range(active):
            context = np.uint64(node[k])
            lo[k], hi[k] = begin[context], begin[context + np.uint64(1)]
            _prefetch(word, lo[k] + (min(hi[k] - lo[k], ids[np.uint64(at[k])] + 1) >> 1))
        for k in range(active):
            child[k] = _find_child(word, lo[k], hi[k], np.int64(ids[np.uint64(at[k])]))
            if child[k] >= 0:
                _prefetch(suffix, child[k])
                _prefetch(logp, child[k])
            else:
                _prefetch(suffix, node[k])
                _prefetch(backoff, node[k])
        k = 0
        while k < active:
            t = np.uint64(at[k])
            hit = child[k]
            if hit < 0:
                total[k] += backoff[np.uint64(node[k])]
                node[k] = _context_behind(suffix, node[k], node[k])
                if node[k] > 0:
                    _prefetch(begin, node[k])
                    k += 1
                    continue
                hit = 1 + np.int64(ids[t])
            if at[k] >= first[k]:
                out[t] = total[k] + logp[np.uint64(hit)]
                found[t] = hit
            total[k] = 0.0
            node[k] = _context_behind(suffix, hit, top) if hit >= top else hit
            at[k] += 1
            if at[k] == end[k] and row < last_row:
                row = _enter(stretches, row, k, lanes)
            elif at[k] == end[k]:
                # No stretch is left: the last lane takes this place.
                active -= 1
                for column in range(lanes.shape[0]):
                    lanes[column, k] = lanes[column, active]
                total[k] = total[active]
                continue
            _prefetch(begin, node[k])
            k += 1


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i4[::1], i4[::1], f8[::1], i4[::1])")
def _advance(word, begin, suffix, logp, backoff, top, nodes, words, out, next_nodes):
    """ln p of words[i] after the context nodes[i], and the context behind it."""
    for i in range(nodes.size):
        out[i], node = _step(word, begin, suffix, logp, backoff, np.int64(nodes[i]), np.int64(words[i]))
        next_nodes[i] = _context_behind(suffix, node, top) if node >= top else node


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], f8[::1], i4[::1], i8, i8, f8[:, ::1])")
def _distribution(word, begin, suffix, logp, backoff, unigrams, nodes, row, last_row, out):
    """out[i, w] becomes p(w) after the context nodes[i] for some rows i; `unigrams` is (V,) p(w) without a context.

    From the unigrams up, each context overwrites its words. What a context says of its words counts as much as the
    longer contexts leave to it.
    """
    chain = np.empty(MAX_ORDER, np.int64)
    weight = np.empty(MAX_ORDER + 1)
    for i in range(row, last_row):
        depth = 0
        weight[0] = 1.0
        node = np.int64(nodes[i])
        while node > 0 and depth < MAX_ORDER:
            chain[depth] = node
            weight[depth + 1] = weight[depth] * np.exp(backoff[node])
            depth += 1
            node = _context_behind(suffix, node, node)
        for w in range(unigrams.size):
            out[i, w] = weight[depth] * unigrams[w]
        for k in range(depth - 1, -1, -1):
            for child in range(max(begin[chain[k]], 0), min(begin[chain[k] + 1], word.size)):
                w = np.uint64(word[child])
                if w < np.uint64(unigrams.size):
                    out[i, w] = weight[k] * np.exp(logp[child])


@kernel("i8(i4[:, ::1], i8)")
def _run_end(ids, row):
    """The row behind `row` and those that follow with the same words but the last."""
    last = np.uint64(ids.shape[1] - 1)
    end = np.uint64(row + 1)
    while end < np.uint64(ids.shape[0]):
        for k in range(last):
            if ids[end, k] != ids[end - np.uint64(1), k]:
                return np.int64(end)
        end += np.uint64(1)
    return np.int64(end)


@kernel("void(i4[:, ::1], i4[::1], i4[::1], i4[::1])")
def _find_contexts(ids, word, begin, context):
    """context[r] becomes the node of the first n − 1 words of row r, or -1 where the tree lacks it.

    Rows side by side with the same context are one run. Many runs go down the tree together, word by word, and wait
    for memory together.
    """
    starts = np.empty(RUNS + 1, np.int64)
    lo, hi, node = np.empty(RUNS, np.int64), np.empty(RUNS, np.int64), np.empty(RUNS, np.int64)
    starts[0] = 0
    while starts[0] < ids.shape[0]:
        runs = 0
        while runs < RUNS and starts[runs] < ids.shape[0]:
            node[runs] = 1 + ids[np.uint64(starts[runs]), 0]
            _prefetch(begin, node[runs])
            starts[runs + 1] = _run_end(ids, starts[runs])
            runs += 1
        for k in range(1, ids.shape[1] - 1):
            for i in range(runs):
                above = np.uint64(max(node[i], 0))
                lo[i], hi[i] = begin[above], begin[above + np.uint64(1)] if node[i] >= 0 else begin[above]
                _prefetch(word, lo[i] + (min(hi[i] - lo[i], ids[np.uint64(starts[i]), k] + 1) >> 1))
            for i in range(runs):
                node[i] = _find_child(word, lo[i], hi[i], np.int64(ids[np.uint64(starts[i]), k]))
                _prefetch(begin, max(node[i], 0))
        for i in range(runs):
            context[starts[i] : starts[i + 1]] = node[i]
        starts[0] = starts[runs]


@kernel("i8(i4[::1], i4[::1], i4[::1], i8[::1], i8, i4[::1])")
def _link_suffixes(word, begin, suffix, parent, first, missing):
    """Set the suffix of the nodes first, first + 1, … with the given parents; returns how many are missing.

    Where the n-gram without its first word is not in the tree, the longest shorter one takes its place and
    `missing` has a 1.
    """
    count = 0
    for i in range(parent.size):
        wanted = word[first + i]
        node = np.int64(suffix[parent[i]])
        found = np.int64(-1)
        missing[i] = 0
        while node > 0:
            found = _find_child(word, begin[node], begin[node + 1], wanted)
            if found >= 0:
                break
            missing[i] = 1
            node = np.int64(suffix[node])
        suffix[first + i] = found if found >= 0 else 1 + wanted
        count += missing[i]
    return count


@kernel("void(i4[::1], i4[::1], i4[::1], i8, i8, i4[::1], i8[::1], i4[:, ::1], i4[:, ::1])")
def _trace(word, begin, suffix, top, orders, ids, offsets, ngram, context):
    """ngram[n − 1, t] and context[n − 1, t] become the nodes of the n-gram that ends in event t and of its context.

    What the tree lacks is left as it is. In a tree of counts the suffix of a node is one word shorter.
    """
    for s in range(offsets.size - 1):
        node = np.int64(1 + BOS) if orders > 1 else np.int64(0)
        length = 1 if orders > 1 else 0
        for t in range(offsets[s], offsets[s + 1]):
            longest = np.int64(0)
            reached = 0
            while length >= 0:
                context[length, t] = node
                found = _find_child(word, begin[node], begin[node + 1], np.int64(ids[t]))
                if found >= 0:
                    ngram[length, t] = found
                    if longest == 0:
                        longest = found
                        reached = length + 1
                node = _context_behind(suffix, node, node)
                length -= 1
            node = _context_behind(suffix, longest, top) if longest >= top else longest
            length = min(reached, orders - 1)
