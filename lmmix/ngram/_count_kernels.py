"""Kernels of counting: start positions of a text are sorted by the n-gram that begins there, order by order.

`seq` is the text with `<s>` before each sentence. The positions where the first n-gram (in lexicographic order of
word ids) starts come first, ascending, then those of the second, and so on. One step of refinement sorts
each such group by the word that follows, which splits it into the (n + 1)-grams with that context. Places are
unsigned where it counts, which spares Numba the test for negative ones.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BOS, EOS = 1, 2

INSERTION_LIMIT = 32
WIDE_DIGIT_LIMIT = 4096


@kernel("void(i4[::1], i8[::1], i4[::1])")
def _pad_sentences(ids, offsets, seq):
    """Write sentences with `<s>` before each into `seq` (T + S,)."""
    at = 0
    for s in range(offsets.size - 1):
        seq[at] = BOS
        at += 1
        for t in range(offsets[s], offsets[s + 1]):
            seq[at] = ids[t]
            at += 1


@kernel("void(i4[::1], i4[::1], i8[::1])")
def _sort_by_word(seq, pos, group):
    """Counting sort of all positions by their word; `group` (V + 1,) must be zero."""
    for i in range(seq.size):
        group[seq[i] + 1] += 1
    for v in range(group.size - 1):
        group[v + 1] += group[v]
    fill = group.copy()
    for i in range(seq.size):
        pos[fill[seq[i]]] = i
        fill[seq[i]] += 1


@kernel("void(i8[::1], i8, i8)")
def _insertion_sort(keys, lo, hi):
    for i in range(np.uint64(lo + 1), np.uint64(hi)):
        key = keys[i]
        j = i
        while j > np.uint64(lo) and keys[j - np.uint64(1)] > key:
            keys[j] = keys[j - np.uint64(1)]
            j -= np.uint64(1)
        keys[j] = key


@kernel("void(i8[::1], u8, i8[::1], u8, u8, i8, i8, i8[::1])")
def _radix_pass(source, source_at, target, target_at, size, shift, bits, histogram):
    """Stable counting sort of `size` keys by `bits` bits from `shift` on, from one place to another."""
    mask = (1 << bits) - 1
    for d in range(mask + 1):
        histogram[d] = 0
    for i in range(size):
        histogram[(source[source_at + i] >> shift) & mask] += 1
    total = 0
    for d in range(mask + 1):
        count = histogram[d]
        histogram[d] = total
        total += count
    for i in range(size):
        key = source[source_at + i]
        digit = (key >> shift) & mask
        target[target_at + np.uint64(histogram[digit])] = key
        histogram[digit] += 1


@kernel("void(i8[::1], i8, i8, i8[::1], i8, i8[::1])")
def _sort_group(keys, lo, hi, spare, word_bits, histogram):
    """Sort keys[lo:hi] `word << 32 | position`, which come with ascending positions, by word."""
    if hi - lo <= INSERTION_LIMIT:
        _insertion_sort(keys, lo, hi)
        return
    first, size, start = np.uint64(lo), np.uint64(hi - lo), np.uint64(0)
    bits = 11 if hi - lo >= WIDE_DIGIT_LIMIT else 8
    moved = False
    for shift in range(32, 32 + word_bits, bits):
        if moved:
            _radix_pass(spare, start, keys, first, size, shift, bits, histogram)
        else:
            _radix_pass(keys, first, spare, start, size, shift, bits, histogram)
        moved = not moved
    if moved:
        for i in range(size):
            keys[first + i] = spare[i]


@kernel("void(i4[::1], i4[::1], i8, i8[::1])")
def _gather_keys(seq, pos, order, keys):
    """keys[i] = next word << 32 | start, for the n-grams that start at pos[i]; word 0 behind the end of the text.

    A loop of its own, because it waits for memory all the time: many reads are then under way at once.
    """
    size = np.uint64(seq.size)
    for i in range(np.uint64(pos.size)):
        start = np.uint64(pos[i])
        after = start + np.uint64(order)
        word = np.int64(seq[after]) if after < size else 0
        keys[i] = (word << 32) | np.int64(start)


@kernel("Tuple((i8, i8))(i4[::1], i4[::1], i4[::1], i4[::1], i8, i8, i4[::1], i4[::1], i4[::1])")
def _refine(seq, pos, word, count, order, word_bits, out_word, out_count, children):
    """Split groups of `order`-grams by their next word; returns how many n-grams and positions come out.

    `pos` holds the start positions of the n-grams one after the other, `word` the last word and `count` the
    number of positions of each. The same comes out for the longer n-grams (the positions in `pos` itself), and in
    `children` how many of them each n-gram is the context of: none if it ends in `</s>`.
    """
    keys = np.empty(pos.size, np.int64)
    _gather_keys(seq, pos, order, keys)
    largest = np.int32(0)
    for g in range(count.size):
        largest = max(largest, count[g])
    spare = np.empty(largest if largest > INSERTION_LIMIT else 1, np.int64)
    histogram = np.empty(2048, np.int64)
    written = np.uint64(0)
    found = np.uint64(0)
    hi = np.int64(0)
    for g in range(np.uint64(count.size)):
        lo = hi
        hi += count[g]
        children[g] = 0
        if lo == hi or word[g] == EOS:
            continue
        if hi - lo > 1:
            _sort_group(keys, lo, hi, spare, word_bits, histogram)
        before = found
        last = np.int64(-1)
        for i in range(np.uint64(lo), np.uint64(hi)):
            key = keys[i]
            if key >> 32 != last:
                last = key >> 32
                out_word[found] = last
                out_count[found] = 0
                found += np.uint64(1)
            out_count[found - np.uint64(1)] += 1
            pos[written] = key & 0xFFFFFFFF
            written += np.uint64(1)
        children[g] = found - before
    return np.int64(found), np.int64(written)


@kernel("void(i4[::1], i4[::1], i8, i4[::1])")
def _note_nodes(pos, count, first_node, node_at):
    """node_at[p] becomes the node of the n-gram that starts at p; the first n-gram has the node first_node."""
    at = np.uint64(0)
    for g in range(np.uint64(count.size)):
        for _ in range(count[g]):
            node_at[np.uint64(pos[at])] = first_node + g
            at += np.uint64(1)


@kernel("void(i4[::1], i4[::1], i4[::1], i4[::1])")
def _link_suffixes(pos, count, node_at, suffix):
    """suffix[g] becomes the node of the (n − 1)-gram that starts one later than the g-th n-gram."""
    at = np.uint64(0)
    for g in range(np.uint64(count.size)):
        suffix[g] = node_at[np.uint64(pos[at]) + np.uint64(1)]
        at += np.uint64(count[g])


@kernel("void(i4[::1], i4[::1], f8[::1], f8[::1])")
def _sum_weights(pos, count, weight_at, total):
    """total[g] becomes the sum of the weights of the positions where the g-th n-gram starts, in their order."""
    at = np.uint64(0)
    for g in range(np.uint64(count.size)):
        value = 0.0
        for _ in range(count[g]):
            value += weight_at[np.uint64(pos[at])]
            at += np.uint64(1)
        total[g] = value
