"""Kernels of the text family: words as bytes in a pool, an open-addressing hash table, text to ids.

A word is `pool[begin[i]:begin[i + 1]]`; `table` holds word ids, -1 where a slot is free, and has a power of
two of slots. Everything that these kernels share lives in this file, because Numba's cache does not see
changes in another one.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

# Slots of the state array that `_encode` keeps between calls.
POS, TYPES, POOL_USED, N_IDS, N_SENTENCES, LINE, EMPTY_LINES, CHARS, LINE_TOKENS, N_OOV = range(10)
STATE_SIZE = 10

# What `_encode` returns.
DONE, TABLE_FULL, SPECIAL = 0, 1, 2

UNK, BOS, EOS = 0, 1, 2

HASH_START = -3750763034362895579
HASH_FACTOR = 1099511628211


@kernel("i8(u1[::1], i8, i8)")
def _hash(data, lo, hi):
    """64-bit FNV-1a of `data[lo:hi]` in wrapping signed arithmetic, with the high bits folded down.

    Here and below places are unsigned where it counts, which spares Numba the test for negative ones.
    """
    value = HASH_START
    for i in range(np.uint64(lo), np.uint64(hi)):
        value = (value ^ data[i]) * HASH_FACTOR
    return value ^ (value >> 29)


@kernel("b1(u1[::1], i8, u1[::1], i8, i8)")
def _same_bytes(data, at, pool, lo, hi):
    start, other = np.uint64(at), np.uint64(lo)
    for i in range(np.uint64(hi - lo)):  # noqa: SIM110 (Numba has no all())
        if data[start + i] != pool[other + i]:
            return False
    return True


@kernel("i8(i8, u1[::1], i8, i8, u1[::1], i8[::1], i4[::1])")
def _find_slot_from(slot, data, lo, hi, pool, begin, table):
    """`_find_slot`, where the hash of the word has said that its slot is this one or one behind it."""
    mask = table.size - 1
    while True:
        word = table[slot]
        if word < 0:
            return slot
        if begin[word + 1] - begin[word] == hi - lo and _same_bytes(data, lo, pool, begin[word], begin[word + 1]):
            return slot
        slot = (slot + 1) & mask


@kernel("i8(u1[::1], i8, i8, u1[::1], i8[::1], i4[::1])")
def _find_slot(data, lo, hi, pool, begin, table):
    """The slot of `table` that holds the word `data[lo:hi]`, or the free slot where it belongs."""
    return _find_slot_from(_hash(data, lo, hi) & (table.size - 1), data, lo, hi, pool, begin, table)


@kernel("i8(u1[::1], i8[::1], i8, i4[::1])")
def _fill_table(pool, begin, count, table):
    """Put the first `count` words into an empty table; returns the first word that is there already, or -1."""
    for word in range(count):
        slot = _find_slot(pool, begin[word], begin[word + 1], pool, begin, table)
        if table[slot] >= 0:
            return word
        table[slot] = word
    return -1


@kernel("b1(u1)")
def _is_space(byte):
    return byte == 32 or (9 <= byte <= 13) or byte == 0


@kernel("i8(u1[::1], i8, i8, i8[::1], u1[::1], i8[::1])")
def _add_word(data, lo, hi, state, pool, begin):
    word = state[TYPES]
    used = state[POOL_USED]
    for i in range(lo, hi):
        pool[used + i - lo] = data[i]
    state[POOL_USED] = used + hi - lo
    begin[word + 1] = state[POOL_USED]
    state[TYPES] = word + 1
    return word


@kernel("void(i8[::1], i4[::1], i8[::1], b1)")
def _end_line(state, ids, ends, keep_empty):
    state[LINE] += 1
    if state[LINE_TOKENS] == 0 and not keep_empty:
        state[EMPTY_LINES] += 1
        return
    ids[state[N_IDS]] = EOS
    state[N_IDS] += 1
    ends[state[N_SENTENCES]] = state[N_IDS]
    state[N_SENTENCES] += 1
    state[LINE_TOKENS] = 0


@kernel("i8(u1[::1], i8[::1], u1[::1], i8[::1], i4[::1], i4[::1], i8[::1], i8[::1], b1, b1, b1)")
def _encode(data, state, pool, begin, table, ids, ends, oov_at, grow, replace_specials, keep_empty):
    """Turn lines of `data` into ids; every sentence ends in `</s>`.

    Empty lines are counted and left out, or become sentences of no word with `keep_empty`.
    With `grow`, unknown words join the pool and the table; else they become `<unk>` and their place in
    `ids` is noted in `oov_at`. Returns DONE; TABLE_FULL where the caller must enlarge pool or table and
    call again; SPECIAL where `<s>` or `</s>` stands in a line. `state` says how far it came.
    """
    size = data.size
    pos = state[POS]
    while pos < size:
        byte = data[pos]
        if byte == 10:
            _end_line(state, ids, ends, keep_empty)
            pos += 1
            state[POS] = pos
            continue
        if _is_space(byte):
            pos += 1
            continue
        start = pos
        chars = 1
        while data[np.uint64(pos)] > 32 or not _is_space(data[np.uint64(pos)]):
            chars += (data[np.uint64(pos)] & 0xC0) != 0x80
            pos += 1
        slot = _find_slot(data, start, pos, pool, begin, table)
        word = table[slot]
        if word < 0 and grow:
            if 2 * state[TYPES] >= table.size or state[POOL_USED] + pos - start > pool.size:
                state[POS] = start
                return TABLE_FULL
            word = _add_word(data, start, pos, state, pool, begin)
            table[slot] = word
        elif word < 0:
            oov_at[state[N_OOV]] = state[N_IDS]
            state[N_OOV] += 1
            word = UNK
        elif word in (BOS, EOS):
            if not replace_specials:
                state[POS] = start
                return SPECIAL
            continue
        ids[state[N_IDS]] = word
        state[N_IDS] += 1
        state[LINE_TOKENS] += 1
        state[CHARS] += chars
        state[POS] = pos
    state[POS] = pos
    return DONE


@kernel("void(u1[::1], i8[::1], i8[::1], u1[::1], i8[::1], i4[::1], i4[::1])")
def _look_up(data, lo, hi, pool, begin, table, ids):
    """ids[i] becomes the id of the word `data[lo[i]:hi[i]]`, or -1."""
    for i in range(lo.size):
        ids[i] = table[_find_slot(data, lo[i], hi[i], pool, begin, table)]


@kernel("i8(u1[::1], i8[::1], i8[::1], i8, i8[::1], u1[::1], i8[::1], i4[::1], i4[::1])")
def _add_words(data, lo, hi, first, state, pool, begin, table, ids):
    """Put the words `data[lo[i]:hi[i]]` from the first on into pool and table, once each; ids[i] says where.

    Returns the first word that was not done because pool or table must be enlarged, or the number of words.
    """
    for i in range(first, lo.size):
        slot = _find_slot(data, lo[i], hi[i], pool, begin, table)
        if table[slot] < 0:
            if 2 * state[TYPES] >= table.size or state[POOL_USED] + hi[i] - lo[i] > pool.size:
                return i
            table[slot] = _add_word(data, lo[i], hi[i], state, pool, begin)
        ids[i] = table[slot]
    return lo.size
