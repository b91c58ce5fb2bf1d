"""Writing count files: text, one n-gram a line with a tab before its count, or the binary `.lmc`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from lmmix.errors import SettingError
from lmmix.fileio import PathLike, atomic_write
from lmmix.ngram import _count_text_kernels as kernels
from lmmix.ngram.count_artefact import SUFFIX, write_lmc
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import thread_imap
from lmmix.progress import task
from lmmix.vocab import Vocab

PIECE_NODES = 1 << 16
BUFFER_BYTES = 1 << 22

_Piece = tuple[int, int, int, int]
"""(lowest order, highest order, first word, number of nodes) of some lines."""


def write_counts(
    counts: NgramCounts,
    vocab: Vocab,
    path: PathLike,
    *,
    sort: bool = False,
    only_order: int | None = None,
    threads: int | None = None,
) -> None:
    """Write `counts` as lines `w1 … wn TAB count`, compressed by suffix; `.lmc` writes the binary. Atomic.

    Parameters
    ----------
    counts : NgramCounts
        Whole counts are written exactly, others with 15 significant digits.
    vocab : Vocab
        The words. One that does not occur gets a line with count 0, so that the vocabulary can be read back; the
        three special words do not.
    sort : bool
        Lines in the order of the bytes of their words, all orders in one, as `ngram-merge` of SRILM wants them. By
        default they come order by order, by word ids: reading them back gives every word the same id.
    only_order : int, optional
        Write the n-grams of this order alone.

    Raises SettingError, InputError.
    """
    tree = counts.tree
    if only_order is not None and not 1 <= only_order <= tree.order:
        raise SettingError(f"only_order is {only_order}; there are orders 1 to {tree.order}")
    if os.fspath(path).endswith(SUFFIX):
        if sort or only_order:
            raise SettingError(f"{path}: a binary count file holds all orders in one sequence; write text to choose")
        write_lmc(counts, vocab, path)
        return
    count = counts.count.astype(np.float64)
    if sort:
        tree, nodes = _by_bytes(tree, vocab)
        count = count[nodes]
    lowest, highest = (only_order, only_order) if only_order else (1, tree.order)
    passes = [(lowest, highest)] if sort else [(n, n) for n in range(lowest, highest + 1)]
    pieces = [piece for orders in passes for piece in _pieces(tree, *orders)]
    with atomic_write(path) as stream, task(f"writing {path}", sum(piece[3] for piece in pieces)) as advance:
        blocks_of = thread_imap(lambda piece: _formatted(tree, count, vocab, piece), pieces, threads)
        for piece, blocks in zip(pieces, blocks_of):
            for block in blocks:
                stream.write(block)
            advance(piece[3])


def _pieces(tree: NgramTree, lowest: int, highest: int) -> Iterator[_Piece]:
    """Runs of words that begin about PIECE_NODES n-grams of the orders lowest … highest."""
    bounds = np.arange(tree.level[1], tree.level[2] + 1)
    nodes_before = np.zeros(len(bounds), np.int64)
    for n in range(1, highest + 1):
        if n >= lowest:
            nodes_before += bounds - bounds[0]
        if n < highest:
            bounds = tree.begin[bounds].astype(np.int64)
    total = int(nodes_before[-1])
    cuts = np.searchsorted(nodes_before, np.arange(0, total, PIECE_NODES), side="right") - 1
    firsts = [*np.unique(cuts).tolist(), len(bounds) - 1]
    for first, after in pairwise(firsts):
        yield lowest, highest, first, int(nodes_before[after] - nodes_before[first])


def _formatted(tree: NgramTree, count: np.ndarray, vocab: Vocab, piece: _Piece) -> list[memoryview]:
    """The lines of a piece, in blocks of bytes."""
    lowest, highest, first, nodes = piece
    path = np.zeros(highest + 1, np.int64)
    path[1] = tree.level[1] + first
    depth = 1
    prefix = np.empty(highest * (int(np.diff(vocab.begin).max()) + 1), np.uint8)
    size = BUFFER_BYTES
    blocks = []
    while nodes:
        out = np.empty(size, np.uint8)
        depth, left, written = kernels._format_counts(
            tree.word, tree.begin, count, vocab.pool, vocab.begin, lowest, path, depth, nodes, prefix, out
        )
        blocks.append(out[:written].data)
        size = size if left < nodes else 2 * size
        nodes = left
    return blocks


def _by_bytes(tree: NgramTree, vocab: Vocab) -> tuple[NgramTree, np.ndarray]:
    """The tree with children in the order of the bytes of their words, and (M,) int64 the node there of each here."""
    spelled, begin = vocab.pool.tobytes(), vocab.begin.tolist()
    rank = np.empty(len(vocab), np.int64)
    rank[sorted(range(len(vocab)), key=lambda i: spelled[begin[i] : begin[i + 1]])] = np.arange(len(vocab))
    nodes, place = np.zeros(tree.size, np.int64), np.zeros(tree.size, np.int64)
    for n in range(1, tree.order + 1):
        own, contexts = tree.nodes(n), tree.nodes(n - 1)
        children = np.diff(tree.begin[contexts.start : contexts.stop + 1])
        key = (np.repeat(place[contexts], children) << 32) | rank[tree.word[own]]
        nodes[own] = own.start + np.argsort(key)
        place[nodes[own]] = np.arange(own.start, own.stop)
    parents = nodes[: tree.level[tree.order]]
    begin_here = np.append(np.int32(1), 1 + np.cumsum(np.diff(tree.begin)[parents], dtype=np.int32))
    return NgramTree(tree.level, tree.word[nodes], begin_here, place[tree.suffix[nodes]].astype(np.int32)), nodes
