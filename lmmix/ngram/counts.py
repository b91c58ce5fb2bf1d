"""Counting n-grams of all orders.

The positions of the text are sorted by the word at each, then each group of equal words by the next word,
and so on: after n steps the groups are the n-grams in lexicographic order. Contexts are the groups that were
split, and the suffix of the n-gram at a position is the (n − 1)-gram at the next position, so both links of
the tree come for nothing and no hash table is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.ngram import _count_kernels as kernels
from lmmix.ngram.tree import MAX_NODES, MAX_ORDER, NgramTree
from lmmix.parallel import thread_imap, thread_map
from lmmix.progress import task
from lmmix.scratch import IN_MEMORY, Scratch

PIECE_POSITIONS = 1 << 21
"""Positions a thread sorts at a time; fixed, so that the result does not depend on the threads."""

MAX_COUNT = 2**31 - 1


@dataclass(frozen=True)
class NgramCounts:
    """How often each n-gram of a text occurs; `<s>` and `</s>` are part of n-grams.

    Attributes
    ----------
    tree : NgramTree
        Which n-grams there are. All words of the vocabulary are unigrams, with count 0 if need be.
    count : (M,) int32, or float64 where lines have weights that are not whole
        Occurrences, aligned with the nodes of the tree; 0 at node 0.
    """

    tree: NgramTree
    count: np.ndarray


@dataclass(frozen=True)
class _Piece:
    """Some n-grams of one order that lie side by side: where they start in the text, last words, counts."""

    pos: np.ndarray
    word: np.ndarray
    count: np.ndarray


class _Arrays:
    """The arrays of the tree and the counts as they come, order by order and piece by piece."""

    def __init__(self, scratch: Scratch, words: int, expected: int) -> None:
        self.word, self.count, self.begin, self.suffix = (scratch.growing(np.int32, expected) for _ in range(4))
        for array in (self.word, self.count):
            array.append(np.zeros(1, np.int32))
        self.suffix.append(np.zeros(1 + words, np.int32))
        self.weight = scratch.growing(np.float64)
        self.weight.append(np.zeros(1))
        self.begin.append(np.array([1, 1 + words], np.int32))
        self._children_end = 1 + words

    def add(self, word: np.ndarray, count: np.ndarray) -> None:
        """The next n-grams: their last words, and how often they occur."""
        self.word.append(word)
        self.count.append(count)

    def add_children(self, children: np.ndarray) -> None:
        """How many n-grams each of the next nodes is the context of."""
        ends = np.cumsum(children, dtype=np.int32)
        ends += self._children_end
        self._children_end = int(ends[-1]) if len(ends) else self._children_end
        self.begin.append(ends)

    def finished(self, level: np.ndarray, weights: np.ndarray | None) -> NgramCounts:
        """The tree with the counts, or the sums of weights."""
        tree = NgramTree(level, self.word.stored(), self.begin.stored(), self.suffix.stored())
        if weights is None:
            return NgramCounts(tree, self.count.stored())
        total = self.weight.stored()
        whole = are_whole(weights) and total.max() <= MAX_COUNT
        return NgramCounts(tree, total.astype(np.int32) if whole else total)


def are_whole(weights: np.ndarray) -> bool:
    """Whether weights of sentences are whole numbers, so that counts are."""
    return bool((weights == np.floor(weights)).all())


def count_ngrams(
    corpus: Corpus,
    order: int,
    threads: int | None = None,
    weights: np.ndarray | None = None,
    scratch: Scratch = IN_MEMORY,
) -> NgramCounts:
    """Count the n-grams of orders 1…`order`; an n-gram never crosses the end of a sentence.

    An order beyond the longest sentence gives levels without n-grams. With `weights` (S,) float64, above 0, every
    sentence counts as often as its weight says; counts are float64 then, unless all weights are whole. What is large
    lies in `scratch`. Raises SettingError.
    """
    if not 1 <= order <= MAX_ORDER:
        raise SettingError(f"order is {order}; it must be from 1 to {MAX_ORDER}")
    weight_at = None if weights is None else _weight_at(corpus, weights)
    positions, size = len(corpus.ids) + corpus.n_sentences, len(corpus.vocab)
    _check_size(positions, "words")
    seq, node_at = scratch.empty(positions, np.int32), scratch.empty(positions, np.int32)
    kernels._pad_sentences(corpus.ids, corpus.offsets, seq)
    level = np.zeros(order + 2, np.int64)
    level[1] = 1
    arrays = _Arrays(scratch, size, 1 + size + order * positions)
    word_bits = max(1, (size - 1).bit_length())
    with task("counting", order) as advance:
        pieces = _unigrams(seq, size, arrays, scratch)
        for n in range(1, order + 1):
            level[n + 1] = level[n] + sum(len(piece.word) for piece in pieces)
            _check_size(int(level[n + 1]), "n-grams")
            if weight_at is not None:
                for total in thread_imap(partial(_weight, weight_at=weight_at), pieces, threads):
                    arrays.weight.append(total)
            if n > 1:
                for suffix in thread_imap(partial(_suffixes, node_at=node_at), pieces, threads):
                    arrays.suffix.append(suffix)
            if n < order:
                _note_nodes(pieces, int(level[n]), node_at, threads)
                pieces = _longer(seq, pieces, n, word_bits, arrays, threads)
            advance(1)
    return arrays.finished(level, weights)


def _check_size(number: int, of_what: str) -> None:
    if number > MAX_NODES:
        raise SettingError(f"{number} {of_what} are more than one model can hold (at most {MAX_NODES})")


def _weight_at(corpus: Corpus, weights: np.ndarray) -> np.ndarray:
    """(T + S,) float64: the weight of the sentence at each position, that of its `<s>` included."""
    if weights.shape != (corpus.n_sentences,) or not ((weights > 0) & (weights < np.inf)).all():
        raise SettingError(f"weights must be {corpus.n_sentences} finite numbers above 0, one for each sentence")
    return np.repeat(weights.astype(np.float64), np.diff(corpus.offsets) + 1)


def _weight(piece: _Piece, *, weight_at: np.ndarray) -> np.ndarray:
    total = np.empty(len(piece.count))
    kernels._sum_weights(piece.pos, piece.count, weight_at, total)
    return total


def _unigrams(seq: np.ndarray, size: int, arrays: _Arrays, scratch: Scratch) -> list[_Piece]:
    """All words of the vocabulary, in pieces with about PIECE_POSITIONS positions each."""
    pos, group = scratch.empty(len(seq), np.int32), np.zeros(size + 1, np.int64)
    kernels._sort_by_word(seq, pos, group)
    arrays.add(np.arange(size, dtype=np.int32), np.diff(group).astype(np.int32))
    return _stored_pieces([pos], [size], arrays)


def _stored_pieces(places: list[np.ndarray], sizes: list[int], arrays: _Arrays) -> list[_Piece]:
    """The n-grams that were added last: `sizes` of them start at each of `places`, cut where those are long."""
    first = len(arrays.word) - sum(sizes)
    word, count = arrays.word.stored(first), arrays.count.stored(first)
    bounds = pairwise(np.cumsum([0, *sizes]).tolist())
    whole = [_Piece(pos, word[lo:hi], count[lo:hi]) for pos, (lo, hi) in zip(places, bounds)]
    return [part for piece in whole for part in _cut(piece)]


def _cut(piece: _Piece) -> list[_Piece]:
    """Parts with about PIECE_POSITIONS positions each, as far as single n-grams allow."""
    positions = len(piece.pos)
    if positions < 2 * PIECE_POSITIONS:
        return [piece]
    ends = np.cumsum(piece.count, dtype=np.int64)
    cuts = 1 + np.searchsorted(ends, np.arange(PIECE_POSITIONS, positions, PIECE_POSITIONS))
    bounds = pairwise(np.unique(np.concatenate([[0], cuts, [len(ends)]])).tolist())
    starts = np.append(0, ends)
    return [_Piece(piece.pos[starts[lo] : starts[hi]], piece.word[lo:hi], piece.count[lo:hi]) for lo, hi in bounds]


def _longer(
    seq: np.ndarray, pieces: list[_Piece], order: int, word_bits: int, arrays: _Arrays, threads: int | None
) -> list[_Piece]:
    """The n-grams one longer than those of `pieces`, which are of `order`."""
    refine = partial(_refined, seq, order=order, word_bits=word_bits)
    places, sizes = [], []
    for longer, children in thread_imap(refine, pieces, threads):
        arrays.add(longer.word, longer.count)
        arrays.add_children(children)
        places.append(longer.pos)
        sizes.append(len(longer.word))
    return _stored_pieces(places, sizes, arrays)


def _refined(seq: np.ndarray, piece: _Piece, *, order: int, word_bits: int) -> tuple[_Piece, np.ndarray]:
    """The n-grams one longer, in the places of `piece`, and how many of them each of its n-grams is the context of."""
    word, count = np.empty(len(piece.pos), np.int32), np.empty(len(piece.pos), np.int32)
    children = np.empty(len(piece.word), np.int32)
    found, positions = kernels._refine(seq, piece.pos, piece.word, piece.count, order, word_bits, word, count, children)
    return _Piece(piece.pos[:positions], word[:found], count[:found]), children


def _note_nodes(pieces: list[_Piece], first_node: int, node_at: np.ndarray, threads: int | None) -> None:
    firsts = first_node + np.cumsum([0, *(len(piece.word) for piece in pieces[:-1])])

    def note(numbered: tuple[int, _Piece]) -> None:
        first, piece = numbered
        kernels._note_nodes(piece.pos, piece.count, first, node_at)

    thread_map(note, zip(firsts.tolist(), pieces), threads)


def _suffixes(piece: _Piece, *, node_at: np.ndarray) -> np.ndarray:
    suffix = np.empty(len(piece.word), np.int32)
    kernels._link_suffixes(piece.pos, piece.count, node_at, suffix)
    return suffix
