"""From n-grams with counts, in any sequence and any number of times, to a tree of counts.

The counts of a text know more than they say: every occurrence of an n-gram is followed by a word unless it ends
in `</s>`, and comes behind one unless it begins with `<s>`. So the count of an n-gram is the larger of two sums
over longer n-grams, over the word behind it and over the word before it, unless it is a whole sentence from `<s>`
to `</s>`. Unigrams never are, and neither are bigrams, as sentences have a word: these two orders may be absent.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from lmmix.errors import FormatError
from lmmix.ngram import _query_kernels as kernels
from lmmix.ngram.counts import MAX_NODES, NgramCounts
from lmmix.ngram.tree import NgramTree, ids_of
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.vocab import Vocab

logger = logging.getLogger("lmmix")

PIECE_ROWS = 1 << 18
LARGEST_DERIVED = 2


@dataclass
class CountRows:
    """N-grams of one order: words as ids (R, n) int32, counts (R,) float64; an n-gram may be there several times."""

    ids: np.ndarray
    count: np.ndarray


def build_counts(rows: list[CountRows], vocab: Vocab, source: str, threads: int | None = None) -> NgramCounts:
    """Add up the rows of each order, 1 first; unigrams and bigrams may be absent if longer n-grams are there.

    Longer n-grams with count 0 are left out. Counts become int32 if all are whole, float64 otherwise. `source`
    names the files in errors. Raises FormatError where shorter n-grams are missing.
    """
    _derive_absent_orders(rows, source)
    builder = _Builder(vocab, rows[0], source, threads)
    with task("sorting", len(rows)) as advance:
        for n in range(2, len(rows) + 1):
            builder.add(rows[n - 1])
            rows[n - 1] = _no_rows(n)
            advance(1)
    return builder.finish()


def _no_rows(order: int) -> CountRows:
    return CountRows(np.zeros((0, order), np.int32), np.zeros(0))


def _derive_absent_orders(rows: list[CountRows], source: str) -> None:
    for n in range(len(rows) - 1, 0, -1):
        if len(rows[n - 1].ids) or not len(rows[n].ids):
            continue
        if n > LARGEST_DERIVED:
            raise FormatError(
                f"{source}: there are {n + 1}-grams, but no {n}-grams, and these do not follow from the others (short "
                "sentences have none of the longer ones): add the counts of all orders"
            )
        rows[n - 1] = _derived(rows[n], n)


def _derived(longer: CountRows, order: int) -> CountRows:
    """The unigrams or bigrams of a text from its n-grams that are one longer."""
    parts = []
    for ids in (longer.ids[:, :-1], longer.ids[:, 1:]):
        key = (ids[:, 0].astype(np.int64) << 32) | ids[:, -1]
        keys, group = np.unique(key, return_inverse=True)
        parts.append((keys, np.bincount(group, longer.count)))
    keys = np.union1d(parts[0][0], parts[1][0])
    count = np.zeros(len(keys))
    for part_keys, sums in parts:
        at = np.searchsorted(keys, part_keys)
        count[at] = np.maximum(count[at], sums)
    both = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
    return CountRows(np.ascontiguousarray(both[:, :order]), count)


class _Builder:
    """The tree and its counts, order by order."""

    def __init__(self, vocab: Vocab, unigrams: CountRows, source: str, threads: int | None) -> None:
        self.vocab, self.source, self.threads = vocab, source, threads
        size = len(vocab)
        self.level = [0, 1, 1 + size]
        self.word = np.concatenate([np.zeros(1, np.int32), np.arange(size, dtype=np.int32)])
        self.begin = np.array([1, 1 + size], np.int32)
        self.suffix = np.zeros(1 + size, np.int32)
        self.count = np.append(0.0, np.bincount(unigrams.ids[:, 0], unigrams.count, size))

    def add(self, rows: CountRows) -> None:
        """Add the n-grams of the next order."""
        n, first = len(self.level) - 1, len(self.word)
        seen = rows.count > 0
        ids, count = (rows.ids, rows.count) if seen.all() else (rows.ids[seen], rows.count[seen])
        context = self._contexts(ids)
        key, count = _added_up((context.astype(np.int64) << 32) | ids[:, -1], count)
        del ids, context
        if first + len(key) > MAX_NODES:
            raise FormatError(f"{self.source}: more than {MAX_NODES} n-grams, which are more than one model can hold")
        parent = key >> 32
        children = np.bincount(parent - self.level[n - 1], minlength=self.level[n] - self.level[n - 1])
        self.word = np.append(self.word, (key & 0xFFFFFFFF).astype(np.int32))
        self.begin = np.append(self.begin, (first + np.cumsum(children)).astype(np.int32))
        self.suffix = np.append(self.suffix, np.zeros(len(key), np.int32))
        self.count = np.append(self.count, count)
        self.level.append(len(self.word))
        self._link_suffixes(parent)
        self._check_sums(n, parent, count)

    def _contexts(self, ids: np.ndarray) -> np.ndarray:
        """(R,) int32: the node of the first n − 1 words of each row."""
        context = np.empty(len(ids), np.int32)

        def find(piece: tuple[int, int]) -> None:
            lo, hi = piece
            kernels._find_contexts(ids[lo:hi], self.word, self.begin, context[lo:hi])

        thread_map(find, cut(len(ids), PIECE_ROWS), self.threads)
        lost = np.flatnonzero((context < 0) | (self.count[context] == 0))
        if len(lost):
            words = [self.vocab.words[i] for i in ids[lost[0]]]
            self._complain(words, "its context (all words but the last)")
        return context

    def _link_suffixes(self, parent: np.ndarray) -> None:
        first = self.level[-2]
        missing = np.empty(len(parent), np.int32)

        def link(piece: tuple[int, int]) -> None:
            lo, hi = piece
            kernels._link_suffixes(self.word, self.begin, self.suffix, parent[lo:hi], first + lo, missing[lo:hi])

        thread_map(link, cut(len(parent), PIECE_ROWS), self.threads)
        lost = np.flatnonzero((missing > 0) | (self.count[self.suffix[first:]] == 0))
        if len(lost):
            self._complain(self._words_of(first + int(lost[0])), "the n-gram without its first word")

    def _complain(self, ngram: list[str], what: str) -> None:
        raise FormatError(
            f"{self.source}: {' '.join(ngram)!r} has a count, but {what} has none: the counts of all shorter n-grams "
            "are needed (unigrams and bigrams may be left out altogether, and are then derived)"
        )

    def _check_sums(self, order: int, parent: np.ndarray, count: np.ndarray) -> None:
        """Warn where n-grams occur more often than their context, which the counts of a text never do."""
        contexts = slice(self.level[order - 1], self.level[order])
        sums = np.bincount(parent - contexts.start, count, contexts.stop - contexts.start)
        more = np.flatnonzero(sums > self.count[contexts] * (1 + 1e-9))
        if len(more):
            node = contexts.start + int(more[0])
            logger.warning(
                "%s: %r has the count %.15g, but the %d-grams that begin with it have %.15g (and so for %d %d-grams): "
                "these are not the counts of a text (maybe counts modified for Kneser-Ney)",
                self.source, " ".join(self._words_of(node)), self.count[node], order, sums[more[0]],
                len(more), order - 1,
            )  # fmt: skip

    def _words_of(self, node: int) -> list[str]:
        return [self.vocab.words[i] for i in ids_of(self.word, self.begin, node)]

    def finish(self) -> NgramCounts:
        """The counts, whole if all of them are."""
        largest = int(np.argmax(self.count))
        if self.count[largest] > MAX_NODES:
            ngram = " ".join(self._words_of(largest))
            raise FormatError(
                f"{self.source}: {ngram!r} has the count {self.count[largest]:.15g}; at most {MAX_NODES} is allowed"
            )
        whole = bool((self.count == np.floor(self.count)).all())
        count = self.count.astype(np.int32) if whole else self.count
        level = np.array(self.level, np.int64)
        return NgramCounts(NgramTree(level, self.word, self.begin, self.suffix), count)


def _added_up(key: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys in ascending order, each once, and the sum of the counts of each."""
    if not (key[1:] > key[:-1]).all():
        order = np.argsort(key, kind="stable")
        key, count = key[order], count[order]
        firsts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        key, count = key[firsts], np.add.reduceat(count, firsts)
    return key, count
