"""Kernels that walk the tree: the automaton of a back-off model, and finding places for new n-grams.

A state is a node: the longest known context. A word either extends it, or the state falls back along its
suffix link and pays the back-off. `top` is the first node of the highest order: from there on nodes have
neither children nor back-offs. All numbers are natural logarithms.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BOS = 1


@kernel("i8(i4[::1], i8, i8, i8)")
def _find_child(word, lo, hi, wanted):
    """The node lo…hi with last word `wanted`, or -1; words ascend."""
    end = hi
    while lo < hi:
        middle = (lo + hi) >> 1
        if word[middle] < wanted:
            lo = middle + 1
        else:
            hi = middle
    if lo < end and word[lo] == wanted:
        return lo
    return -1


@kernel("Tuple((f8, i8))(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i8)")
def _step(word, begin, suffix, logp, backoff, node, wanted):
    """(ln p of `wanted` after the context `node`, the node of the n-gram that was found)."""
    total = 0.0
    while node > 0:
        child = _find_child(word, begin[node], begin[node + 1], wanted)
        if child >= 0:
            return total + logp[child], child
        total += backoff[node]
        node = suffix[node]
    return total + logp[1 + wanted], 1 + wanted


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i4[::1], i8[::1], i8, i8, f8[::1], i4[::1])")
def _score(word, begin, suffix, logp, backoff, top, ids, offsets, sentence_lo, sentence_hi, out, found):
    """ln p of every event of some sentences to `out`, and the node of the n-gram found to `found`."""
    for s in range(sentence_lo, sentence_hi):
        node = np.int64(1 + BOS)
        for t in range(offsets[s], offsets[s + 1]):
            if node >= top:
                node = np.int64(suffix[node])
            out[t], node = _step(word, begin, suffix, logp, backoff, node, np.int64(ids[t]))
            found[t] = node


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i4[::1], i4[::1], f8[::1], i4[::1])")
def _advance(word, begin, suffix, logp, backoff, top, nodes, words, out, next_nodes):
    """ln p of words[i] after the context nodes[i], and the context behind it."""
    for i in range(nodes.size):
        out[i], node = _step(word, begin, suffix, logp, backoff, np.int64(nodes[i]), np.int64(words[i]))
        next_nodes[i] = suffix[node] if node >= top else node


@kernel("void(i4[::1], i4[::1], i4[::1], f8[::1], f8[::1], i8, i4[::1], f8[:, ::1])")
def _distribution(word, begin, suffix, logp, backoff, order, nodes, out):
    """out[i, w] becomes p(w) after the context nodes[i]: from the unigrams up, each context overwrites its words."""
    chain = np.empty(order + 1, np.int64)
    for i in range(nodes.size):
        length = 0
        node = np.int64(nodes[i])
        while node > 0:
            chain[length] = node
            length += 1
            node = np.int64(suffix[node])
        for w in range(out.shape[1]):
            out[i, w] = np.exp(logp[1 + w])
        for k in range(length - 1, -1, -1):
            weight = np.exp(backoff[chain[k]])
            for w in range(out.shape[1]):
                out[i, w] *= weight
            for child in range(begin[chain[k]], begin[chain[k] + 1]):
                out[i, word[child]] = np.exp(logp[child])


@kernel("void(i4[:, ::1], i4[::1], i4[::1], i4[::1])")
def _find_contexts(ids, word, begin, context):
    """context[r] becomes the node of the first n − 1 words of row r, or -1 where the tree lacks it."""
    last = ids.shape[1] - 1
    for r in range(ids.shape[0]):
        same = r > 0
        for k in range(last):
            same = same and ids[r, k] == ids[r - 1, k]
        if same:
            context[r] = context[r - 1]
            continue
        node = np.int64(1 + ids[r, 0])
        for k in range(1, last):
            if node >= 0:
                node = _find_child(word, begin[node], begin[node + 1], ids[r, k])
        context[r] = node


@kernel("void(i4[::1], i4[::1], i4[::1], i8[::1], i8)")
def _link_suffixes(word, begin, suffix, parent, first):
    """Set the suffix of the nodes first, first + 1, … with the given parents.

    Where the n-gram without its first word is not in the tree, the longest shorter one takes its place.
    """
    for i in range(parent.size):
        wanted = word[first + i]
        node = np.int64(suffix[parent[i]])
        found = np.int64(-1)
        while node > 0:
            found = _find_child(word, begin[node], begin[node + 1], wanted)
            if found >= 0:
                break
            node = np.int64(suffix[node])
        suffix[first + i] = found if found >= 0 else 1 + wanted
