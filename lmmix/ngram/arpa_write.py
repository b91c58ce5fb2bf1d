"""Writing ARPA files: log10 with seven decimals, -99 for zero, back-offs where an n-gram is a context."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from lmmix.fileio import PathLike, atomic_write
from lmmix.logmath import LN10
from lmmix.ngram import _arpa_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.parallel import thread_count, thread_map
from lmmix.progress import task

PIECE_NODES = 1 << 17
BUFFER_BYTES = 1 << 23


def write_arpa(model: BackoffModel, path: PathLike, threads: int | None = None) -> None:
    """Write `model` as ARPA, compressed by suffix, atomically. Raises InputError."""
    tree = model.tree
    with atomic_write(path) as stream, task(f"writing {path}", tree.size) as advance:
        header = "".join(f"ngram {n}={count}\n" for n, count in enumerate(tree.counts(), 1))
        stream.write(f"\\data\\\n{header}".encode())
        for order in range(1, tree.order + 1):
            stream.write(f"\n\\{order}-grams:\n".encode())
            nodes = tree.nodes(order)
            for lo, hi in _batches(nodes.start, nodes.stop, PIECE_NODES * thread_count(threads)):
                pieces = list(_batches(lo, hi, PIECE_NODES))
                for blocks in thread_map(partial(_format, model, order), pieces, threads):
                    stream.writelines(blocks)
                advance(hi - lo)
        stream.write(b"\n\\end\\\n")


def _batches(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    for lo in range(start, stop, size):
        yield lo, min(lo + size, stop)


def _format(model: BackoffModel, order: int, piece: tuple[int, int]) -> list[bytes]:
    """The lines of some nodes of one order, in blocks of bytes."""
    tree, vocab = model.tree, model.vocab
    node, stop = piece
    path = _path_to(model, order, node)
    with_backoff = order < tree.order
    size = BUFFER_BYTES
    blocks = []
    while node < stop:
        out = np.empty(size, np.uint8)
        after, written = kernels._format_ngrams(
            tree.word, tree.begin, model.logp, model.backoff, vocab.pool, vocab.begin,
            order, path, stop, with_backoff, 1.0 / LN10, out,
        )  # fmt: skip
        blocks.append(out[:written].tobytes())
        size = size if after > node else 2 * size
        node = after
    return blocks


def _path_to(model: BackoffModel, order: int, node: int) -> np.ndarray:
    """(order + 1,) int64: node 0, the unigram, … and `node` itself."""
    path = np.zeros(order + 1, np.int64)
    path[order] = node
    for n in range(order - 1, 0, -1):
        contexts = model.tree.nodes(n)
        begins = model.tree.begin[contexts]
        path[n] = contexts.start + np.searchsorted(begins, path[n + 1], side="right") - 1
    return path
