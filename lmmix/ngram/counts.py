"""Counting n-grams of all orders.

The positions of the text are sorted by the word at each, then each group of equal words by the next word,
and so on: after n steps the groups are the n-grams in lexicographic order. Contexts are the groups that were
split, and the suffix of the n-gram at a position is the (n − 1)-gram at the next position, so both links of
the tree come for nothing and no hash table is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class NgramCounts:
    """How often each n-gram of a text occurs; `<s>` and `</s>` are part of n-grams.

    Attributes
    ----------
    tree : NgramTree
        Which n-grams there are. All words of the vocabulary are unigrams, with count 0 if need be.
    count : (M,) int32
        Occurrences, aligned with the nodes of the tree; 0 at node 0.
    """

    tree: NgramTree
    count: np.ndarray


@dataclass
class _Level:
    """The n-grams of one order: where they start in the text, grouped, and what the tree needs of them."""

    pos: np.ndarray
    group: np.ndarray
    word: np.ndarray


def count_ngrams(corpus: Corpus, order: int, threads: int | None = None) -> NgramCounts:
    """Count the n-grams of orders 1…`order`; an n-gram never crosses the end of a sentence.

    An order beyond the longest sentence gives levels without n-grams. Raises SettingError.
    """
    if order < 1:
        raise SettingError(f"order is {order}; it must be 1 or more")
    seq = np.empty(len(corpus.ids) + corpus.n_sentences, np.int32)
    _check_size(len(seq), "words")
    kernels._pad_sentences(corpus.ids, corpus.offsets, seq)
    size = len(corpus.vocab)
    level = np.zeros(order + 2, np.int64)
    level[1:3] = 1, 1 + size
    words, counts = [np.zeros(1, np.int32)], [np.zeros(1, np.int32)]
    begins, suffixes = [np.ones(1, np.int32)], [np.zeros(1 + size, np.int32)]
    node_at = np.empty(len(seq), np.int32)
    with task("counting", order) as advance:
        current = _unigrams(seq, size)
        advance(1)
        for n in range(1, order + 1):
            words.append(current.word)
            counts.append(np.diff(current.group).astype(np.int32))
            level[n + 1] = level[n] + len(current.word)
            _check_size(int(level[n + 1]), "n-grams")
            if n > 1:
                suffixes.append(_suffixes(current, node_at, threads))
            if n < order:
                _note_nodes(current, int(level[n]), node_at, threads)
                current, children = _refined(seq, current, n, size, threads)
                begins.append((level[n + 1] + np.cumsum(children) - children).astype(np.int32))
                advance(1)
    begins.append(np.array([level[-1]], np.int32))
    tree = NgramTree(level, np.concatenate(words), np.concatenate(begins), np.concatenate(suffixes))
    return NgramCounts(tree, np.concatenate(counts))


def _check_size(number: int, of_what: str) -> None:
    if number > MAX_NODES:
        raise SettingError(f"{number} {of_what} are more than one model can hold (at most {MAX_NODES})")


def _unigrams(seq: np.ndarray, size: int) -> _Level:
    pos, group = np.empty(len(seq), np.int32), np.zeros(size + 1, np.int64)
    kernels._sort_by_word(seq, pos, group)
    return _Level(pos, group, np.arange(size, dtype=np.int32))


def _pieces(level: _Level) -> list[tuple[int, int]]:
    """Ranges of groups with about PIECE_POSITIONS positions each."""
    groups = len(level.group) - 1
    targets = np.arange(PIECE_POSITIONS, level.group[-1], PIECE_POSITIONS)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(level.group, targets), [groups]]))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist())) or [(0, groups)]


def _refined(seq: np.ndarray, level: _Level, order: int, size: int, threads: int | None) -> tuple[_Level, np.ndarray]:
    """The n-grams one longer, and how many of them each n-gram of `level` is the context of."""
    word_bits = max(1, (size - 1).bit_length())

    def refine(piece: tuple[int, int]) -> tuple[np.ndarray, ...]:
        lo, hi = piece
        positions = int(level.group[hi] - level.group[lo])
        pos, word, count = (np.empty(positions, np.int32) for _ in range(3))
        children = np.empty(hi - lo, np.int32)
        found = kernels._refine(
            seq, level.pos, level.word, level.group, lo, hi, order, word_bits, pos, word, count, children
        )
        count = count[:found].copy()
        return pos[: count.sum(dtype=np.int64)].copy(), word[:found].copy(), count, children

    parts = thread_map(refine, _pieces(level), threads)
    pos, word, count, children = (np.concatenate(arrays) for arrays in zip(*parts))
    group = np.zeros(len(count) + 1, np.int64)
    np.cumsum(count, out=group[1:])
    return _Level(pos, group, word), children.astype(np.int64)


def _note_nodes(level: _Level, first_node: int, node_at: np.ndarray, threads: int | None) -> None:
    def note(piece: tuple[int, int]) -> None:
        kernels._note_nodes(level.pos, level.group, *piece, first_node, node_at)

    thread_map(note, _pieces(level), threads)


def _suffixes(level: _Level, node_at: np.ndarray, threads: int | None) -> np.ndarray:
    suffix = np.empty(len(level.word), np.int32)

    def link(piece: tuple[int, int]) -> None:
        kernels._link_suffixes(level.pos, level.group, *piece, node_at, suffix)

    thread_map(link, _pieces(level), threads)
    return suffix
