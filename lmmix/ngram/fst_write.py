"""Writing OpenFst text: the back-off acceptor of a model (Allauzen, Mohri & Roark 2003), and its symbols.

A state is a context that has children. A word that is known there has an arc to the longest context behind it; the
arc of the back-off label leads to the context without its first word. Costs are −ln p; the state of `<s>`, with which
the text begins, is the start, and `</s>` is no arc but the final cost. The cost of a sentence is that of the path that
takes the back-off arc only where there is no other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from lmmix.errors import SettingError
from lmmix.fileio import PathLike, atomic_write
from lmmix.ngram import _fst_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.closure import with_suffixes
from lmmix.parallel import cut, thread_imap
from lmmix.progress import task
from lmmix.vocab import BOS, SPACE, Vocab

EPSILON = "<eps>"
PIECE_NODES = 1 << 15
BUFFER_BYTES = 1 << 22


def write_fst(model: BackoffModel, path: PathLike, backoff_label: str = EPSILON, threads: int | None = None) -> None:
    """Write `model` as OpenFst text, compressed by suffix, and its symbol table beside it as `path`.syms.

    N-grams of probability 0 have the cost `Infinity`, because without an arc the path would back off; only a
    `</s>` of probability 0 in a context where shorter contexts give it more cannot be written. Raises SettingError
    for a back-off label that is a word or no symbol, InputError.
    """
    _check_label(model.vocab, backoff_label)
    model = with_suffixes(model)
    symbols = [EPSILON, *model.vocab.words, *([backoff_label] if backoff_label != EPSILON else [])]
    # Neither file is there before the other is whole.
    with (
        atomic_write(f"{path}.syms") as table,
        atomic_write(path) as stream,
        task(f"writing {path}", model.tree.size) as advance,
    ):
        table.write("".join(f"{symbol}\t{number}\n" for number, symbol in enumerate(symbols)).encode())
        for blocks in thread_imap(partial(_format, model, _states(model), backoff_label), _pieces(model), threads):
            for block in blocks:
                stream.write(block)
            advance(PIECE_NODES)


def _check_label(vocab: Vocab, label: str) -> None:
    if not label or SPACE.search(label):
        raise SettingError(f"the back-off label {label!r} is no symbol: it is empty or holds white space")
    for symbol in (EPSILON, label):
        if symbol in vocab:
            raise SettingError(f"{symbol} is a word of the model, so it cannot be the back-off label or no word at all")


def _start(model: BackoffModel) -> int:
    return 1 + BOS if model.order > 1 else 0


def _pieces(model: BackoffModel) -> Iterator[tuple[int, int]]:
    """The nodes that may be states, that of the start first, which OpenFst takes from the first line."""
    start, top = _start(model), int(model.tree.level[model.order])
    yield start, start + 1
    for lo, hi in ((0, start), (start + 1, top)):
        yield from ((lo + a, lo + b) for a, b in cut(hi - lo, PIECE_NODES))


def _states(model: BackoffModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(the state of each node or -1, the state that stands for it, the back-offs passed on the way there)."""
    tree = model.tree
    top = int(tree.level[tree.order])
    state = np.full(tree.size, -1, np.int32)
    state[:top][np.diff(tree.begin) > 0] = 0
    state[[0, _start(model)]] = 0
    chosen = np.flatnonzero(state == 0)
    state[chosen] = np.arange(len(chosen), dtype=np.int32)
    goal, weight = np.empty(tree.size, np.int32), np.empty(tree.size)
    kernels._find_states(tree.suffix, model.backoff, state, goal, weight)
    return state, goal, weight


def _format(
    model: BackoffModel, states: tuple[np.ndarray, ...], backoff_label: str, piece: tuple[int, int]
) -> list[memoryview]:
    """The lines of some states, in blocks of bytes."""
    tree, vocab = model.tree, model.vocab
    label = np.frombuffer(bytearray(backoff_label.encode()), np.uint8)
    node, stop = piece
    size = BUFFER_BYTES
    blocks = []
    while node < stop:
        out = np.empty(size, np.uint8)
        after, written = kernels._format_states(
            tree.word, tree.begin, tree.suffix, model.logp, model.backoff, *states,
            vocab.pool, vocab.begin, label, node, stop, out,
        )  # fmt: skip
        blocks.append(out[:written].data)
        size = size if after > node else 2 * size
        node = after
    return blocks
