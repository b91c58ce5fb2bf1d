"""Kernels that look up the words of a history in a suffix array.

`places` (T,) holds the places of the text `ids` (T,), sorted by the words ids[t], ids[t − 1], … up to the beginning of
the sentence, before which STOP stands (see `suffix_array`); `begin` (V + 1,) says where those of each word begin. A
*match* is a row LOW, HIGH, LENGTH: the places in places[LOW:HIGH] are those where the last LENGTH words of the history
stand, `<s>` counted as a word. The empty match is all places.

Large files are not read through before they are used, so whatever a damaged one holds, these kernels read inside the
arrays only, and end.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

STOP = 2
LOW, HIGH, LENGTH = range(3)

LONGEST = 256
"""Words of a match at most, so that a text without line ends, scored by itself, takes no forever."""


@kernel("i8(i4[::1], i4[::1], i8, i8)")
def _word_before(ids, places, slot, back):
    """The word `back` words before the place in places[slot]; the text is a ring, so its last `</s>` is before it."""
    place = places[np.uint64(slot)] - back
    if place < 0:
        place += ids.size
    elif place >= ids.size:
        place -= ids.size
    return np.int64(ids[np.uint64(place)]) if np.uint64(place) < np.uint64(ids.size) else np.int64(STOP)


@kernel("i8(i4[::1], i4[::1], i8, i8, i8, i8)")
def _first_slot(ids, places, lo, hi, back, wanted):
    """The first slot in lo…hi with a word of at least `wanted`, `back` words before its place; `hi` if none has."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if _word_before(ids, places, middle, back) < wanted:
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel("i8(i4[::1], i4[::1], i8[::1], i8[::1], i8, i8, i8[::1])")
def _extend(ids, places, begin, match, word, min_count, after):
    """How often `word` stands behind the `match`; `after` becomes the longest match of the history that ends in it.

    A match counts only if it stands at least `min_count` times in the text, or is empty.
    """
    lo, hi = begin[np.uint64(word)], begin[np.uint64(word + 1)]
    lo, hi = max(lo, 0), min(hi, places.size)
    after[LOW], after[HIGH], after[LENGTH] = 0, places.size, 0
    length = 0
    while lo < hi:
        length += 1
        if hi - lo >= min_count and length <= LONGEST:
            after[LOW], after[HIGH], after[LENGTH] = lo, hi, length
        if length > match[LENGTH]:
            return hi - lo
        before = _word_before(ids, places, match[LOW], length - 1)
        lo = _first_slot(ids, places, lo, hi, length, before)
        hi = _first_slot(ids, places, lo, hi, length, before + 1)
    return 0


@kernel("void(i4[::1], i4[::1], i8[::1], i8[::1], i4[::1], i8[::1], i8, i8[::1], i8[:, ::1])")
def _walk(ids, places, begin, start, events, offsets, min_count, counts, matches):
    """For each event of some sentences, the match before it and how often the event stands behind that."""
    match = np.empty(3, np.int64)
    after = np.empty(3, np.int64)
    for s in range(offsets.size - 1):
        match[:] = start
        for t in range(offsets[s], offsets[s + 1]):
            matches[t] = match
            counts[t] = _extend(ids, places, begin, match, np.int64(events[t]), min_count, after)
            match[:] = after


@kernel("void(i4[::1], i4[::1], i8[::1], i8[:, ::1], i4[::1], i8, i8[::1], i8[:, ::1])")
def _advance(ids, places, begin, matches, words, min_count, counts, after):
    """How often words[i] stands behind the match i, and the match behind it."""
    for i in range(words.size):
        counts[i] = _extend(ids, places, begin, matches[i], np.int64(words[i]), min_count, after[i])


@kernel("void(i4[::1], i4[::1], i8[:, ::1], f8[:, ::1])")
def _count_next(ids, places, matches, out):
    """Add to out[i, w] how often the word w stands behind the match i."""
    for i in range(matches.shape[0]):
        for slot in range(matches[i, LOW], matches[i, HIGH]):
            word = np.uint64(_word_before(ids, places, slot, -1))
            if word < np.uint64(out.shape[1]):
                out[np.uint64(i), word] += 1.0
