"""Kernels of counting: start positions of a text are sorted by the n-gram that begins there, order by order.

`seq` is the text with `<s>` before each sentence. `pos[group[g]:group[g + 1]]` are the places where the g-th
n-gram (in lexicographic order of word ids) starts, ascending. One step of refinement sorts each such group
by the word that follows, which splits it into the (n + 1)-grams with that context.
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


@kernel("void(i8[::1], i8)")
def _insertion_sort(keys, size):
    for i in range(1, size):
        key = keys[i]
        j = i - 1
        while j >= 0 and keys[j] > key:
            keys[j + 1] = keys[j]
            j -= 1
        keys[j + 1] = key


@kernel("void(i8[::1], i8[::1], i8, i8, i8, i8[::1])")
def _radix_pass(source, target, size, shift, bits, histogram):
    """Stable counting sort of `source[:size]` by `bits` bits from `shift` on into `target`."""
    mask = (1 << bits) - 1
    histogram[: mask + 1] = 0
    for i in range(size):
        histogram[(source[i] >> shift) & mask] += 1
    total = 0
    for d in range(mask + 1):
        count = histogram[d]
        histogram[d] = total
        total += count
    for i in range(size):
        digit = (source[i] >> shift) & mask
        target[histogram[digit]] = source[i]
        histogram[digit] += 1


@kernel("void(i8[::1], i8[::1], i8, i8, i8[::1])")
def _sort_group(keys, spare, size, word_bits, histogram):
    """Sort keys `word << 32 | position`, which come with ascending positions, by word."""
    if size <= INSERTION_LIMIT:
        _insertion_sort(keys, size)
        return
    bits = 11 if size >= WIDE_DIGIT_LIMIT else 8
    source, target = keys, spare
    for shift in range(32, 32 + word_bits, bits):
        _radix_pass(source, target, size, shift, bits, histogram)
        source, target = target, source
    if ((word_bits + bits - 1) // bits) % 2 == 1:
        keys[:size] = spare[:size]


@kernel("void(i4[::1], i4[::1], i8, i8, i8, i8[::1])")
def _gather_keys(seq, pos, lo, hi, order, keys):
    """keys[i] = next word << 32 | start, for the n-grams that start at pos[lo + i]; 0 behind the end of the text.

    A loop of its own, because it waits for memory all the time: many reads are then under way at once.
    """
    size = np.uint64(seq.size)
    for i in range(np.uint64(0), np.uint64(hi - lo)):
        start = np.uint64(pos[np.uint64(lo) + i])
        after = start + np.uint64(order)
        word = np.int64(seq[after]) if after < size else 0
        keys[i] = (word << 32) | np.int64(start)


@kernel("i8(i4[::1], i4[::1], i4[::1], i8[::1], i8, i8, i8, i8, i4[::1], i4[::1], i4[::1], i4[::1])")
def _refine(seq, pos, word, group, group_lo, group_hi, order, word_bits, out_pos, out_word, out_size, children):
    """Split the groups group_lo…group_hi of `order`-grams by their next word; returns how many n-grams come out.

    `word` is the last word of each group. For each n-gram: its last word to `out_word` and its count to
    `out_size`, in lexicographic order, its start positions one after the other to `out_pos`; for each group
    the number of its n-grams to `children`. N-grams that end in `</s>` have none.
    """
    largest = 1
    for g in range(group_lo, group_hi):
        largest = max(largest, group[g + 1] - group[g])
    first = group[group_lo]
    keys = np.empty(group[group_hi] - first, np.int64)
    _gather_keys(seq, pos, first, group[group_hi], order, keys)
    spare = np.empty(largest if largest > INSERTION_LIMIT else 1, np.int64)
    histogram = np.empty(2048, np.int64)
    written = 0
    found = 0
    for g in range(group_lo, group_hi):
        lo = group[g] - first
        hi = group[g + 1] - first
        children[g - group_lo] = 0
        if lo == hi or word[g] == EOS:
            continue
        if hi - lo > 1:
            _sort_group(keys[lo:hi], spare, hi - lo, word_bits, histogram)
        before = found
        last = np.int64(-1)
        for i in range(lo, hi):
            key = keys[i]
            if key >> 32 != last:
                last = key >> 32
                out_word[found] = last
                out_size[found] = 0
                found += 1
            out_size[found - 1] += 1
            out_pos[written] = key & 0xFFFFFFFF
            written += 1
        children[g - group_lo] = found - before
    return found


@kernel("void(i4[::1], i8[::1], i8, i8, i8, i4[::1])")
def _note_nodes(pos, group, group_lo, group_hi, first_node, node_at):
    """node_at[p] becomes the node of the n-gram that starts at p, for the groups group_lo…group_hi."""
    for g in range(group_lo, group_hi):
        for i in range(group[g], group[g + 1]):
            node_at[pos[i]] = first_node + g


@kernel("void(i4[::1], i8[::1], i8, i8, i4[::1], i4[::1])")
def _link_suffixes(pos, group, group_lo, group_hi, node_at, suffix):
    """suffix[g] becomes the node of the (n − 1)-gram that starts one later than the g-th n-gram."""
    for g in range(group_lo, group_hi):
        suffix[g] = node_at[pos[group[g]] + 1]
