"""All places of a text in the order of the words that lead up to them, read backwards.

The array is built by prefix doubling (Manber & Myers 1993, "Suffix arrays: a new method for on-line string searches";
Larsson & Sadakane 2007 leave out what is in place already). Here that begins with as many words as fit into one number,
two or more, which puts most places of a natural text; a text of one sentence repeated takes as many rounds as its
sentence's length has bits.
"""

from __future__ import annotations

import numpy as np

from lmmix.errors import InputError
from lmmix.progress import task
from lmmix.vocab import EOS

MOST_EVENTS = 2**31 - 1

STOP = EOS
"""What is read before the first word of a sentence: the end of the sentence before, which stands for `<s>`."""


def backward_order(ids: np.ndarray, offsets: np.ndarray, words: int) -> np.ndarray:
    """(T,) int32: the places t of a text, sorted by the words ids[t], ids[t − 1], … of its sentence.

    `ids` and `offsets` are those of a `lmmix.corpus.Corpus` over `words` words. Before the first word of a sentence
    stands STOP, and nothing counts before that; places that are equal so far stand in their order in the text.
    Takes some 40 bytes an event while it works. Raises InputError for more than 2^31 − 1 events.
    """
    if len(ids) > MOST_EVENTS:
        raise InputError(f"the text has {len(ids)} events; a suffix array can hold {MOST_EVENTS}; give less text")
    # (T,) the words of its sentence up to each event, the event included.
    known = (np.arange(1, len(ids) + 1) - np.repeat(offsets[:-1], np.diff(offsets))).astype(np.int32)
    width, key = _first_key(ids, known, words)
    order = np.argsort(key, kind="stable").astype(np.int32)
    rank = np.empty(len(ids), np.int32)
    slots = np.arange(len(ids), dtype=np.int32)
    _rank(order, rank, slots, key[order])
    del key
    stop = int(np.count_nonzero(ids < STOP))
    with task("sorting the text", None) as advance:
        while True:
            slots = _unsettled(order, rank, slots, known, width)
            if not len(slots):
                return order
            _refine(order, rank, slots, known, width, stop)
            width *= 2
            advance(1)


def _first_key(ids: np.ndarray, known: np.ndarray, words: int) -> tuple[int, np.ndarray]:
    """As many words as fit into 63 bits, and (T,) int64 the last so many words at each place as one number."""
    bits = max(2, int(words - 1).bit_length())
    width = 63 // bits
    key = ids.astype(np.int64)
    for depth in range(1, width):
        # In places before the start of the text the last event, which ends a sentence, is read round the corner.
        key = (key << bits) | np.where(known >= depth, np.roll(ids, depth), 0)
    return width, key


def _rank(order: np.ndarray, rank: np.ndarray, slots: np.ndarray, keys: np.ndarray) -> None:
    """Give the places in some slots of `order` the first slot of those with their key as their rank; keys ascend."""
    first = np.zeros(len(slots), np.int64)
    first[1:] = np.where(keys[1:] != keys[:-1], np.arange(1, len(slots)), 0)
    rank[order[slots]] = slots[np.maximum.accumulate(first)]


def _unsettled(order: np.ndarray, rank: np.ndarray, slots: np.ndarray, known: np.ndarray, width: int) -> np.ndarray:
    """Those of the slots whose places share `width` words with others and do not end in them."""
    places = order[slots]
    ranks = rank[places]
    equal = ranks[1:] == ranks[:-1]
    shared = np.append(equal, False) | np.append(False, equal)
    return slots[shared & (known[places] >= width)]


def _refine(order: np.ndarray, rank: np.ndarray, slots: np.ndarray, known: np.ndarray, width: int, stop: int) -> None:
    """Sort the slots by 2 · `width` words: they are by `width`, and so are the places `width` before theirs.

    `stop` is the rank of STOP alone, which stands there where a sentence begins.
    """
    places = order[slots]
    after = np.where(known[places] == width, stop, rank[places - width])
    key = (rank[places].astype(np.int64) << 32) | after
    by_key = np.argsort(key, kind="stable")
    order[slots] = places[by_key]
    _rank(order, rank, slots, key[by_key])
