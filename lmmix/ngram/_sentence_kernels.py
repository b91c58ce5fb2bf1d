"""One kernel call from the bytes of a sentence to its scores.

Handing an array to a kernel costs a tenth of a microsecond, and a whole sentence takes five. So the arrays of a model
come as a table of their addresses, which whoever calls keeps alive.

These are the only kernels that call kernels of other files (hashing of words, the walk). Numba's cache does not see
changes there: after one, touch this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, from_dtype, types
from numba.extending import intrinsic

from lmmix._text_kernels import BOS, EOS, UNK, _find_slot_from, _hash, _is_space
from lmmix.ngram._query_kernels import END, FIRST, FROM, LANES, NODE, STRETCH, _prefetch, _walk
from lmmix.parallel import kernel

# Rows of the table of arrays, each an address and a number of elements.
WORD, BEGIN, SUFFIX, LOGP, BACKOFF, LEVEL, POOL, WORD_BEGIN, TABLE = range(9)

# Rows of what is noted of each event, and their number.
IDS, FOUND, START, STOP, SLOT = range(5)
PLACES = 5

SHORTEST = 5
"""Events that a lane walks at least: each lane but the first walks order − 2 more to find its context."""

SPECIAL = -1
"""Returned instead of a number of events where `<s>` or `</s>` stands in the text."""

EVENT = np.dtype([("logp", np.float64), ("length", np.int32), ("oov", np.bool_)], align=True)
"""What is said of an event: ln p, words in the longest known n-gram that ends in it, whether it is an OOV."""

_TEXT = types.ByteArray(types.uint8, 1, "C")
_ARRAYS = types.int64[:, ::1]
_EVENT = from_dtype(EVENT)
_EVENTS = _EVENT[::1]


def _make_pointer(_context, address):

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


_pointer: Any = intrinsic(_make_pointer)
"""_pointer(address) is the pointer with that address."""


@kernel("i8(u1[::1], i8[:, ::1], b1, i4[:, ::1])")
def _look_up_words(text, arrays, eos, places):
    """Put the ids of the words of `text`, -1 for OOVs, and that of `</s>` with `eos` into the row IDS of `places`.

    Returns how many there are, or SPECIAL.
    """
    pool = carray(_pointer(arrays[POOL, 0]), arrays[POOL, 1], np.uint8)
    begin = carray(_pointer(arrays[WORD_BEGIN, 0]), arrays[WORD_BEGIN, 1], np.int64)
    table = carray(_pointer(arrays[TABLE, 0]), arrays[TABLE, 1], np.int32)
    ids, start, stop, slot = places[IDS], places[START], places[STOP], places[SLOT]
    count = 0
    at = 0
    while at < text.size:
        if _is_space(text[np.uint64(at)]):
            at += 1
            continue
        start[count] = at
        while at < text.size and not _is_space(text[np.uint64(at)]):
            at += 1
        stop[count] = at
        slot[count] = _hash(text, start[count], at) & (table.size - 1)
        _prefetch(table, slot[count])
        count += 1
    for i in range(count):
        _prefetch(begin, table[slot[i]])
    for i in range(count):
        ids[i] = table[_find_slot_from(slot[i], text, start[i], stop[i], pool, begin, table)]
        if ids[i] in (BOS, EOS):
            return SPECIAL
    if eos:
        ids[count] = EOS
        count += 1
    return count


@kernel("void(i8[:, ::1], b1, i4[::1], f8[::1], i4[::1])")
def _walk_sentence(arrays, bos, ids, out, found):
    """`_walk` over one sentence, cut into stretches that are walked side by side."""
    word = carray(_pointer(arrays[WORD, 0]), arrays[WORD, 1], np.int32)
    begin = carray(_pointer(arrays[BEGIN, 0]), arrays[BEGIN, 1], np.int32)
    suffix = carray(_pointer(arrays[SUFFIX, 0]), arrays[SUFFIX, 1], np.int32)
    logp = carray(_pointer(arrays[LOGP, 0]), arrays[LOGP, 1], np.float64)
    backoff = carray(_pointer(arrays[BACKOFF, 0]), arrays[BACKOFF, 1], np.float64)
    level = carray(_pointer(arrays[LEVEL, 0]), arrays[LEVEL, 1], np.int64)
    order = level.size - 2
    warm_up = max(0, order - 2)
    length = max(SHORTEST, (ids.size + LANES - 1) // LANES)
    stretches = np.empty((LANES, STRETCH), np.int64)
    count = 0
    for first in range(0, ids.size, length):
        start = max(0, first - warm_up)
        node = 1 + BOS if bos else 0
        if start > 0:
            node = 1 + ids[start - 1]
        stretches[count, FROM], stretches[count, FIRST] = start, first
        stretches[count, END] = min(first + length, ids.size)
        stretches[count, NODE] = node if order > 1 else 0
        _prefetch(begin, stretches[count, NODE])
        count += 1
    _walk(word, begin, suffix, logp, backoff, level[order], ids, stretches, 0, count, out, found)


@kernel([types.float64(_TEXT, _ARRAYS, types.boolean, types.boolean)])
def _score_sentence(text, arrays, bos, eos):
    """The sum of ln p of the events of `text`; nan where `<s>` or `</s>` stands in it."""
    places = np.empty((PLACES, len(text) // 2 + 2), np.int32)
    count = _look_up_words(np.frombuffer(text, np.uint8), arrays, eos, places)
    if count == SPECIAL:
        return np.nan
    ids, found = places[IDS, :count], places[FOUND]
    for i in range(count):
        ids[i] = max(ids[i], UNK)
    out = np.empty(count)
    _walk_sentence(arrays, bos, ids, out, found)
    total = 0.0
    for i in range(count):
        total += out[i]
    return total


@kernel([_EVENTS(_TEXT, _ARRAYS, types.boolean, types.boolean)])
def _score_events(text, arrays, bos, eos):
    """An array of what is said of each event of `text`; ValueError where `<s>` or `</s>` stands in it.

    Handing over an array that Python has made would take longer.
    """
    places = np.empty((PLACES, len(text) // 2 + 2), np.int32)
    count = _look_up_words(np.frombuffer(text, np.uint8), arrays, eos, places)
    if count == SPECIAL:
        raise ValueError
    events = np.empty(count, EVENT)
    ids, found = places[IDS, :count], places[FOUND]
    for i in range(count):
        events[i].oov = ids[i] < 0
        ids[i] = max(ids[i], UNK)
    out = np.empty(count)
    _walk_sentence(arrays, bos, ids, out, found)
    level = carray(_pointer(arrays[LEVEL, 0]), arrays[LEVEL, 1], np.int64)
    for i in range(count):
        length = 1
        while found[i] >= level[length + 1]:
            length += 1
        events[i].logp, events[i].length = out[i], length
    return events
