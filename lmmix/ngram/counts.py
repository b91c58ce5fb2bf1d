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
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import thread_map
from lmmix.progress import task

PIECE_POSITIONS = 1 << 21
"""Positions a thread sorts at a time; fixed, so that the result does not depend on the threads."""

MAX_NODES = 2**31 - 1
MAX_ORDER = 1000


@dataclass(frozen=True)
class NgramCounts:
    """How often each n-gram of a text occurs; `<s>` and `</s>` are part of n-grams.

    Attributes
    ----------
    tree : NgramTree
        Which n-grams there are. All words of the vocabulary are unigrams, with count 0 if need be.
    count : (M,) int32, or float64 where lines have weights
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


@dataclass
class _Parts:
    """The arrays of the tree as they come, piece by piece and order by order."""

    word: list[np.ndarray]
    count: list[np.ndarray]
    children: list[np.ndarray]
    suffix: list[np.ndarray]


def count_ngrams(
    corpus: Corpus, order: int, threads: int | None = None, weights: np.ndarray | None = None
) -> NgramCounts:
    """Count the n-grams of orders 1…`order`; an n-gram never crosses the end of a sentence.

    An order beyond the longest sentence gives levels without n-grams. With `weights` (S,) float64, above 0, every
    sentence counts as often as its weight says, and counts are float64. Raises SettingError.
    """
    if not 1 <= order <= MAX_ORDER:
        raise SettingError(f"order is {order}; it must be from 1 to {MAX_ORDER}")
    weight_at = None if weights is None else _weight_at(corpus, weights)
    _check_size(len(corpus.ids) + corpus.n_sentences, "words")
    seq = np.empty(len(corpus.ids) + corpus.n_sentences, np.int32)
    kernels._pad_sentences(corpus.ids, corpus.offsets, seq)
    size = len(corpus.vocab)
    word_bits = max(1, (size - 1).bit_length())
    node_at = np.empty(len(seq), np.int32)
    level = np.zeros(order + 2, np.int64)
    level[1] = 1
    zero = np.zeros(1, np.int32)
    parts = _Parts(
        [zero],
        [zero if weight_at is None else np.zeros(1)],
        [np.array([size], np.int32)],
        [np.zeros(1 + size, np.int32)],
    )
    with task("counting", order) as advance:
        pieces = _unigrams(seq, size)
        for n in range(1, order + 1):
            level[n + 1] = level[n] + sum(len(piece.word) for piece in pieces)
            _check_size(int(level[n + 1]), "n-grams")
            parts.word += [piece.word for piece in pieces]
            parts.count += thread_map(partial(_counts, weight_at=weight_at), pieces, threads)
            if n > 1:
                parts.suffix += thread_map(lambda piece: _suffixes(piece, node_at), pieces, threads)
            if n < order:
                _note_nodes(pieces, int(level[n]), node_at, threads)
                refined = thread_map(partial(_refined, seq, order=n, word_bits=word_bits), pieces, threads)
                pieces = [piece for piece, _ in refined]
                parts.children += [children for _, children in refined]
            advance(1)
    return _assembled(level, parts)


def _assembled(level: np.ndarray, parts: _Parts) -> NgramCounts:
    children = np.concatenate(parts.children)
    begin = np.empty(len(children) + 1, np.int32)
    begin[0] = 1
    np.cumsum(children, out=begin[1:])
    begin[1:] += 1
    tree = NgramTree(level, np.concatenate(parts.word), begin, np.concatenate(parts.suffix))
    return NgramCounts(tree, np.concatenate(parts.count))


def _check_size(number: int, of_what: str) -> None:
    if number > MAX_NODES:
        raise SettingError(f"{number} {of_what} are more than one model can hold (at most {MAX_NODES})")


def _weight_at(corpus: Corpus, weights: np.ndarray) -> np.ndarray:
    """(T + S,) float64: the weight of the sentence at each position, that of its `<s>` included."""
    if weights.shape != (corpus.n_sentences,) or not ((weights > 0) & (weights < np.inf)).all():
        raise SettingError(f"weights must be {corpus.n_sentences} finite numbers above 0, one for each sentence")
    return np.repeat(weights.astype(np.float64), np.diff(corpus.offsets) + 1)


def _counts(piece: _Piece, *, weight_at: np.ndarray | None) -> np.ndarray:
    if weight_at is None:
        return piece.count
    total = np.empty(len(piece.count))
    kernels._sum_weights(piece.pos, piece.count, weight_at, total)
    return total


def _unigrams(seq: np.ndarray, size: int) -> list[_Piece]:
    """All words of the vocabulary, in pieces with about PIECE_POSITIONS positions each."""
    pos, group = np.empty(len(seq), np.int32), np.zeros(size + 1, np.int64)
    kernels._sort_by_word(seq, pos, group)
    cuts = np.searchsorted(group, np.arange(PIECE_POSITIONS, len(seq), PIECE_POSITIONS))
    bounds = np.unique(np.concatenate([[0], cuts, [size]])).tolist()
    words, counts = np.arange(size, dtype=np.int32), np.diff(group).astype(np.int32)
    return [_Piece(pos[group[lo] : group[hi]], words[lo:hi], counts[lo:hi]) for lo, hi in pairwise(bounds)]


def _refined(seq: np.ndarray, piece: _Piece, *, order: int, word_bits: int) -> tuple[_Piece, np.ndarray]:
    """The n-grams one longer, and how many of them each n-gram of `piece` is the context of."""
    pos, word, count = (np.empty(len(piece.pos), np.int32) for _ in range(3))
    children = np.empty(len(piece.word), np.int32)
    found, positions = kernels._refine(
        seq, piece.pos, piece.word, piece.count, order, word_bits, pos, word, count, children
    )
    return _Piece(pos[:positions], word[:found].copy(), count[:found].copy()), children


def _note_nodes(pieces: list[_Piece], first_node: int, node_at: np.ndarray, threads: int | None) -> None:
    firsts = first_node + np.cumsum([0, *(len(piece.word) for piece in pieces[:-1])])

    def note(numbered: tuple[int, _Piece]) -> None:
        first, piece = numbered
        kernels._note_nodes(piece.pos, piece.count, first, node_at)

    thread_map(note, zip(firsts.tolist(), pieces), threads)


def _suffixes(piece: _Piece, node_at: np.ndarray) -> np.ndarray:
    suffix = np.empty(len(piece.word), np.int32)
    kernels._link_suffixes(piece.pos, piece.count, node_at, suffix)
    return suffix
