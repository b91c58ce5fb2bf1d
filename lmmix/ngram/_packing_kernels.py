"""Kernels that write the parts of a packed tree (see `packed`): ranks, codes, ends of children, their directory.

Threads write stretches of nodes that begin at a word of 64 bits: multiples of 64 nodes from the first of the order.
"""

from __future__ import annotations

import numpy as np

from lmmix.ngram._packed_kernels import BLOCK_WORDS, SAMPLE_SHIFT
from lmmix.parallel import kernel

ONE = np.uint64(1)
WORD_SHIFT = np.uint64(6)
WORD_MASK = np.uint64(63)
WORD_BITS = np.uint64(64)


@kernel("void(u8[::1], u8, u8, u8)")
def _write(bits, at, width, value):
    """Set the `width` bits from bit `at` on, which must be zero, to `value`."""
    word = at >> WORD_SHIFT
    shift = at & WORD_MASK
    bits[word] |= value << shift
    if shift + width > WORD_BITS:
        bits[word + ONE] |= value >> (WORD_BITS - shift)


@kernel("void(i4[::1], i4[::1], i8, i8, i8, u8, u8[::1], u8)")
def _pack_ranks(begin, suffix, context, lo, hi, width, bits, at):
    """Write the ranks of the nodes lo…hi from bit `at` on; `context` is the context of the first."""
    before = begin[suffix[context]]
    for node in range(lo, hi):
        while node >= begin[context + 1]:
            context += 1
            before = begin[suffix[context]]
        _write(bits, at, width, np.uint64(suffix[node] - before))
        at += width


@kernel("void(f8[::1], i8, i8, f4[::1], u8, u8[::1], u8)")
def _pack_codes(numbers, lo, hi, largest, width, bits, at):
    """Write the code of each number lo…hi from bit `at` on: the first bin whose largest value is not below it."""
    for i in range(lo, hi):
        number = np.float32(numbers[i])
        first = np.int64(0)
        last = np.int64(largest.size - 1)
        while first < last:
            middle = (first + last) >> 1
            if largest[middle] < number:
                first = middle + 1
            else:
                last = middle
        _write(bits, at, width, np.uint64(first))
        at += width


@kernel("void(i4[::1], i8, i8, u8[::1])")
def _pack_ends(begin, lo, hi, bits):
    """Write for each node lo…hi as many zeros as it has children, and a one."""
    first = np.int64(begin[lo])
    for node in range(lo, hi):
        at = np.uint64(begin[node + 1] - first + node - lo)
        bits[at >> WORD_SHIFT] |= ONE << (at & WORD_MASK)


@kernel("void(u8[::1], i4[::1], i4[::1])")
def _index_ends(bits, blocks, samples):
    """Fill the directory of `bits`: the number of ones before each block, the block of every 512th one.

    Samples behind the last one name the last block.
    """
    ones = np.int64(0)
    sampled = np.int64(0)
    for block in range(blocks.size):
        blocks[block] = ones
        for i in range(block * BLOCK_WORDS, min((block + 1) * BLOCK_WORDS, bits.size)):
            rest = bits[i]
            while rest:
                rest &= rest - ONE
                ones += 1
        while sampled < samples.size and sampled << SAMPLE_SHIFT < ones:
            samples[sampled] = block
            sampled += 1
    samples[sampled:] = blocks.size - 1
