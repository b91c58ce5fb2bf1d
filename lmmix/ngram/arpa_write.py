"""Writing ARPA files: log10 with seven decimals, -99 for zero, back-offs where an n-gram is a context."""

from __future__ import annotations

from functools import partial

import numpy as np

from lmmix.fileio import PathLike, atomic_write
from lmmix.logmath import LN10
from lmmix.ngram import _arpa_write_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.parallel import thread_imap
from lmmix.progress import task

PIECE_NODES = 1 << 16
BUFFER_BYTES = 1 << 22

_DIGITS = np.frombuffer(bytearray("".join(f"{i:04d}" for i in range(10000)), "ascii"), np.uint8)


def write_arpa(model: BackoffModel, path: PathLike, threads: int | None = None) -> None:
    """Write `model` as ARPA, compressed by suffix, atomically. Raises InputError."""
    tree = model.tree
    with atomic_write(path) as stream, task(f"writing {path}", tree.size) as advance:
        header = "".join(f"ngram {n}={count}\n" for n, count in enumerate(tree.counts(), 1))
        stream.write(f"\\data\\\n{header}".encode())
        for order in range(1, tree.order + 1):
            stream.write(f"\n\\{order}-grams:\n".encode())
            nodes = tree.nodes(order)
            pieces = [(lo, min(lo + PIECE_NODES, nodes.stop)) for lo in range(nodes.start, nodes.stop, PIECE_NODES)]
            for blocks in thread_imap(partial(_format, model, order), pieces, threads):
                for block in blocks:
                    stream.write(block)
                advance(PIECE_NODES)
        stream.write(b"\n\\end\\\n")


def _format(model: BackoffModel, order: int, piece: tuple[int, int]) -> list[memoryview]:
    """The lines of some nodes of one order, in blocks of bytes."""
    tree, vocab = model.tree, model.vocab
    node, stop = piece
    path = _path_to(model, order, node)
    size = BUFFER_BYTES
    context = np.empty(order * (int(np.diff(vocab.begin).max()) + 1), np.uint8)
    blocks = []
    while node < stop:
        out = np.empty(size, np.uint8)
        after, written = kernels._format_ngrams(
            tree.word, tree.begin, model.logp, model.backoff, vocab.pool, vocab.begin,
            order, path, stop, order < tree.order, 1.0 / LN10, _DIGITS, context, out,
        )  # fmt: skip
        blocks.append(out[:written].data)
        size = size if after > node else 2 * size
        node = after
    return blocks


def _path_to(model: BackoffModel, order: int, node: int) -> np.ndarray:
    """(order + 1,) int64: node 0, the unigram, … and `node` itself."""
    path = np.zeros(order + 1, np.int64)
    path[order] = node
    for n in range(order - 1, 0, -1):
        contexts = model.tree.nodes(n)
        # A number of the same type: searchsorted would copy all the begins into a wider one.
        child = np.int32(path[n + 1])
        path[n] = contexts.start + np.searchsorted(model.tree.begin[contexts], child, side="right") - 1
    return path
