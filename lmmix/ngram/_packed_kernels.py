"""Kernels that read a packed tree (see `packed`): integers of a few bits, places of children, the automaton.

`bits` holds everything that is counted in bits, `index` the directory of the children, `values` the numbers, and
row n of `layout` says where the things of order n lie (the columns are named below). The state of a history is
the chain of its known contexts: chain[k] is the node of its last k + 1 words, 0 where the tree lacks it.
Damaged bits give wrong numbers, but no read outside the arrays.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

BOS = 1

# Columns of the layout. FIRST: first node of the order. RANKS: first bit of the ranks. ENDS: first word of the
# ends of children. BLOCKS, SAMPLES: where their directory lies in `index`. A column of codes holds the first
# bit, one of values the place in `values`; codes of 0 bits are the places of the nodes within their order.
FIRST, RANKS, RANK_BITS, ENDS, BLOCKS, SAMPLES = range(6)
LOGP_CODES, LOGP_BITS, LOGP_VALUES, BACKOFF_CODES, BACKOFF_BITS, BACKOFF_VALUES = range(6, 12)
COLUMNS = 12

BLOCK_WORDS = 8
SAMPLE_SHIFT = 9

ONE = np.uint64(1)
WORD_SHIFT = np.uint64(6)
WORD_MASK = np.uint64(63)
PAIRS = np.uint64(0x5555555555555555)
QUADS = np.uint64(0x3333333333333333)
BYTES = np.uint64(0x0F0F0F0F0F0F0F0F)
EACH_BYTE = np.uint64(0x0101010101010101)


@kernel("i8(u8)")
def _popcount(x):
    x = x - ((x >> ONE) & PAIRS)
    x = (x & QUADS) + ((x >> np.uint64(2)) & QUADS)
    x = (x + (x >> np.uint64(4))) & BYTES
    return np.int64((x * EACH_BYTE) >> np.uint64(56))


@kernel("u8(u8[::1], u8, u8)")
def _read(bits, at, width):
    """The integer in the `width` bits (0 to 63) from bit `at` on.

    Always reads the next word, too: a branch that is not foreseen would cost more than everything else here.
    """
    word = at >> WORD_SHIFT
    shift = at & WORD_MASK
    above = (bits[word + ONE] << ONE) << (WORD_MASK - shift)
    return ((bits[word] >> shift) | above) & ((ONE << width) - ONE)


@kernel("i8(u8, i8)")
def _select_in_word(word, rank):
    """The place of the one of `word` with `rank` ones below it."""
    place = np.int64(0)
    width = np.int64(32)
    while width > 0:
        count = _popcount(word & ((ONE << np.uint64(width)) - ONE))
        if rank >= count:
            rank -= count
            word >>= np.uint64(width)
            place += width
        width >>= 1
    return place


@kernel("i8(u8[::1], i4[::1], i8[:, ::1], i8, i8)")
def _select(bits, index, layout, order, rank):
    """The place of the one with `rank` ones before it among the ends of children of an order.

    The samples give the blocks between which it lies, the number of ones before each block the block.
    """
    blocks = layout[order, BLOCKS]
    sample = layout[order, SAMPLES] + (rank >> SAMPLE_SHIFT)
    last = layout[order, SAMPLES] - blocks - 1
    lo = min(max(np.int64(index[sample]), 0), last)
    hi = min(np.int64(index[sample + 1]), last) + 1
    while hi - lo > 1:
        middle = (lo + hi) >> 1
        if index[blocks + middle] <= rank:
            lo = middle
        else:
            hi = middle
    rank -= index[blocks + lo]
    start = layout[order, ENDS]
    word = start + lo * BLOCK_WORDS
    stop = word + BLOCK_WORDS - 1
    count = _popcount(bits[word])
    while rank >= count and word < stop:
        rank -= count
        word += 1
        count = _popcount(bits[word])
    return ((word - start) << 6) + _select_in_word(bits[word], rank)


@kernel("UniTuple(i8, 2)(u8[::1], i4[::1], i8[:, ::1], i8, i8)")
def _children(bits, index, layout, order, node):
    """begin[node] and begin[node + 1] of a node of an order below the highest."""
    place = node - layout[order, FIRST]
    at = _select(bits, index, layout, order, place - 1) + 1 if place > 0 else np.int64(0)
    rest = bits[layout[order, ENDS] + (at >> 6)] >> np.uint64(at & 63)
    if rest:
        size = _popcount((rest & (~rest + ONE)) - ONE)
    else:
        size = _select(bits, index, layout, order, place) - at
    first, stop = layout[order + 1, FIRST], layout[order + 2, FIRST]
    lo = min(max(first + at - place, first), stop)
    return lo, min(max(lo + size, lo), stop)


@kernel("i8(u8[::1], i8[:, ::1], i8, i8)")
def _rank(bits, layout, order, node):
    """The place of a node's suffix among the children of the suffix of its context; of a bigram, the last word."""
    width = layout[order, RANK_BITS]
    at = layout[order, RANKS] + (node - layout[order, FIRST]) * width
    return np.int64(_read(bits, np.uint64(at), np.uint64(width)))


@kernel("i8(u8[::1], i8[:, ::1], i8, i8, i8, i8)")
def _find_rank(bits, layout, order, lo, hi, wanted):
    """The node lo…hi with rank `wanted`, or -1; ranks ascend."""
    end = hi
    while lo < hi:
        middle = (lo + hi) >> 1
        if _rank(bits, layout, order, middle) < wanted:
            lo = middle + 1
        else:
            hi = middle
    if lo < end and _rank(bits, layout, order, lo) == wanted:
        return lo
    return -1


@kernel("f8(u8[::1], f4[::1], i8[:, ::1], i8, i8, i8)")
def _number(bits, values, layout, order, column, node):
    """A number of a node; `column` is LOGP_CODES or BACKOFF_CODES."""
    place = node - layout[order, FIRST]
    width = layout[order, column + 1]
    if width:
        place = np.int64(_read(bits, np.uint64(layout[order, column] + place * width), np.uint64(width)))
    return np.float64(values[layout[order, column + 2] + place])


@kernel("Tuple((f8, i8))(u8[::1], i4[::1], f4[::1], i8[:, ::1], i4[::1], i8, i4[::1])")
def _step(bits, index, values, layout, chain, wanted, found):
    """(ln p of `wanted` after the contexts of `chain`, words in the longest n-gram found).

    `chain` is (N − 1,); `found` (N,) gets the nodes of the n-grams that end in `wanted`, from the unigram up. The
    place of one among the children of its context is what the next longer one is known by.
    """
    node = np.int64(1 + wanted)
    before = np.int64(1)
    found[0] = node
    length = 1
    while length <= chain.size and chain[length - 1] > 0:
        lo, hi = _children(bits, index, layout, length, np.int64(chain[length - 1]))
        child = _find_rank(bits, layout, length + 1, lo, hi, node - before)
        if child < 0:
            break
        node, before = child, lo
        found[length] = node
        length += 1
    total = 0.0
    for k in range(chain.size, length - 1, -1):
        if chain[k - 1] > 0:
            total += _number(bits, values, layout, k, BACKOFF_CODES, np.int64(chain[k - 1]))
    found[length:] = 0
    return total + _number(bits, values, layout, length, LOGP_CODES, node), length


@kernel("void(u8[::1], i4[::1], f4[::1], i8[:, ::1], i4[::1], i8[::1], i8, i8, f8[::1], i8[::1])")
def _score(bits, index, values, layout, ids, offsets, sentence_lo, sentence_hi, out, lengths):
    """ln p of every event of some sentences to `out`, the length of the n-gram found to `lengths`."""
    order = layout.shape[0] - 2
    chain = np.empty(order - 1, np.int32)
    found = np.empty(order, np.int32)
    for s in range(sentence_lo, sentence_hi):
        chain[:] = 0
        if order > 1:
            chain[0] = 1 + BOS
        for t in range(offsets[s], offsets[s + 1]):
            out[t], lengths[t] = _step(bits, index, values, layout, chain, np.int64(ids[t]), found)
            chain[:] = found[: order - 1]


@kernel("void(u8[::1], i4[::1], f4[::1], i8[:, ::1], i4[::1], i8[::1], i8, i8, i4[:, ::1])")
def _find_contexts(bits, index, values, layout, ids, offsets, sentence_lo, sentence_hi, chains):
    """chains[t] becomes the chain before event t, for every event of some sentences."""
    order = layout.shape[0] - 2
    found = np.empty(order, np.int32)
    for s in range(sentence_lo, sentence_hi):
        found[:] = 0
        found[0] = 1 + BOS
        for t in range(offsets[s], offsets[s + 1]):
            chains[t] = found[: order - 1]
            _step(bits, index, values, layout, chains[t], np.int64(ids[t]), found)


@kernel("void(u8[::1], f4[::1], i8[:, ::1], i4[:, ::1], i8[::1], f8[::1])")
def _context_backoffs(bits, values, layout, chains, lengths, out):
    """out[i] becomes the ln of the back-off of the longest context of chains[i], of lengths[i] words; 0 for none."""
    for i in range(lengths.size):
        k = lengths[i]
        out[i] = _number(bits, values, layout, k, BACKOFF_CODES, np.int64(chains[i, k - 1])) if k else 0.0


@kernel("void(u8[::1], i4[::1], f4[::1], i8[:, ::1], i4[:, ::1], i4[::1], f8[::1], i4[:, ::1])")
def _advance(bits, index, values, layout, chains, words, out, next_chains):
    """ln p of words[i] after the contexts chains[i], and the contexts behind it."""
    found = np.empty(chains.shape[1] + 1, np.int32)
    for i in range(words.size):
        out[i], _ = _step(bits, index, values, layout, chains[i], np.int64(words[i]), found)
        next_chains[i] = found[: chains.shape[1]]


@kernel("void(u8[::1], i4[::1], f4[::1], i8[:, ::1], i4[:, ::1], f8[:, ::1])")
def _distribution(bits, index, values, layout, chains, out):
    """out[i, w] becomes p(w) after the contexts chains[i]: from the unigrams up, each context overwrites its words.

    `words` holds the last words of the children of the context before and of this one, by turns; words from the start,
    because damaged ranks may ask for some that were not found.
    """
    words = np.zeros((2, out.shape[1]), np.int64)
    for i in range(chains.shape[0]):
        for w in range(out.shape[1]):
            words[0, w] = w
            out[i, w] = np.exp(_number(bits, values, layout, 1, LOGP_CODES, 1 + w))
        size = np.int64(out.shape[1])
        for k in range(1, chains.shape[1] + 1):
            context = np.int64(chains[i, k - 1])
            if context == 0:
                break
            weight = np.exp(_number(bits, values, layout, k, BACKOFF_CODES, context))
            for w in range(out.shape[1]):
                out[i, w] *= weight
            lo, hi = _children(bits, index, layout, k, context)
            hi = min(hi, lo + out.shape[1])
            for child in range(lo, hi):
                w = words[(k - 1) & 1, min(_rank(bits, layout, k + 1, child), size - 1)]
                words[k & 1, child - lo] = w
                out[i, w] = np.exp(_number(bits, values, layout, k + 1, LOGP_CODES, child))
            size = max(hi - lo, 1)


@kernel("void(u8[::1], i4[::1], i8[:, ::1], i8, i8, i8, i4[::1], i4[::1], i4[::1])")
def _unpack_children(bits, index, layout, order, context_lo, context_hi, word, begin, suffix):
    """Fill `begin` of some contexts of an order, and `word` and `suffix` of their children; lower orders are done."""
    for context in range(context_lo, context_hi):
        lo, hi = _children(bits, index, layout, order, context)
        begin[context] = lo
        before = begin[suffix[context]]
        for child in range(lo, hi):
            link = before + _rank(bits, layout, order + 1, child)
            suffix[child] = link if link < child else 0
            word[child] = word[suffix[child]]


@kernel("void(u8[::1], f4[::1], i8[:, ::1], i8, i8, i8, i8, f8[::1])")
def _unpack_numbers(bits, values, layout, order, column, lo, hi, out):
    for node in range(lo, hi):
        out[node] = _number(bits, values, layout, order, column, node)
