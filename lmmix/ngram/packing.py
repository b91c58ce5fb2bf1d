"""From a back-off model to a packed one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lmmix.ngram import _packed_kernels as columns
from lmmix.ngram import _packing_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.closure import with_suffixes
from lmmix.ngram.packed import PIECE_NODES, PackedArrays, PackedModel
from lmmix.ngram.quantise import check_bits, make_codebook
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map
from lmmix.progress import task


def pack(model: BackoffModel, bits: int | None = 8, threads: int | None = None) -> PackedModel:
    """The packed form of `model`.

    Parameters
    ----------
    model : BackoffModel
        If it holds an n-gram without one of its suffixes, the suffix is added with the probability it has anyway.
    bits : int or None
        Quantise log-probabilities and back-offs of bigrams and longer n-grams to codes of 2 to 16 bits; None:
        float32. Packing a model again as it was packed changes no number.
    threads : int, optional
        Default: all cores. The result does not depend on it.

    Raises SettingError for `bits` out of range.
    """
    check_bits(bits)
    model = with_suffixes(model)
    plan = _Plan(model.tree, bits)
    with task("packing", model.tree.size) as advance:
        for order in range(1, model.order + 1):
            _add_order(plan, model, order, threads)
            advance(model.tree.counts()[order - 1])
    return PackedModel(plan.arrays(), bits, model.vocab, _signature(model.signature, bits))


def _signature(signature: str, bits: int | None) -> str:
    """`signature` with what the numbers are stored as; float32 keeps those that are rounded already."""
    if bits is None:
        return signature if "|stored:" in signature else f"{signature}|stored:float32"
    return signature if signature.endswith(f"|stored:q{bits}") else f"{signature}|stored:q{bits}"


@dataclass
class _Plan:
    """The parts of the packed arrays, put one behind the other as they come."""

    tree: NgramTree
    quantised: int | None
    bits: list[np.ndarray] = field(default_factory=list)
    index: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = np.zeros((self.tree.order + 2, columns.COLUMNS), np.int64)
        self.layout[:, columns.FIRST] = self.tree.level

    def arrays(self) -> PackedArrays:
        bits = np.concatenate([*self.bits, np.zeros(columns.BLOCK_WORDS, np.uint64)])
        index = np.concatenate([*self.index, np.zeros(0, np.int32)])
        return PackedArrays(bits, index, np.concatenate(self.values), self.layout)

    def new_bits(self, count: int) -> tuple[np.ndarray, int]:
        """(zeros to write `count` bits into, the word where they begin)."""
        start = _length(self.bits)
        self.bits.append(np.zeros(-(-count // 64), np.uint64))
        return self.bits[-1], start


def _length(parts: list[np.ndarray]) -> int:
    return sum(map(len, parts))


def _add_order(plan: _Plan, model: BackoffModel, order: int, threads: int | None) -> None:
    if order > 1:
        _add_ranks(plan, order, threads)
    _add_numbers(plan, model.logp, order, columns.LOGP_CODES, threads)
    if order < model.order:
        _add_numbers(plan, model.backoff, order, columns.BACKOFF_CODES, threads)
        _add_ends(plan, order)


def _add_ranks(plan: _Plan, order: int, threads: int | None) -> None:
    tree = plan.tree
    first, stop = tree.level[order], tree.level[order + 1]
    # A rank counts children of a context that is one word shorter than that of the n-gram itself.
    contexts = tree.nodes(order - 2)
    most = int(np.diff(tree.begin[contexts.start : contexts.stop + 1]).max(initial=1))
    width = (most - 1).bit_length()
    bits, start = plan.new_bits(int(stop - first) * width)
    plan.layout[order, columns.RANKS] = 64 * start
    plan.layout[order, columns.RANK_BITS] = width

    def write(piece: tuple[int, int]) -> None:
        lo, hi = first + piece[0], first + piece[1]
        context = int(np.searchsorted(tree.begin, np.int32(lo), "right")) - 1
        kernels._pack_ranks(tree.begin, tree.suffix, context, lo, hi, width, bits, piece[0] * width)

    thread_map(write, cut(int(stop - first), PIECE_NODES), threads)


def _add_numbers(plan: _Plan, numbers: np.ndarray, order: int, column: int, threads: int | None) -> None:
    """Add the log-probabilities or back-offs of an order; `column` is that of their codes."""
    nodes = plan.tree.nodes(order)
    plan.layout[order, column + 2] = _length(plan.values)
    if plan.quantised is None or order == 1:
        plan.values.append(numbers[nodes].astype(np.float32))
        return
    width = plan.quantised
    codebook = make_codebook(numbers[nodes], width)
    plan.values.append(codebook.values)
    bits, start = plan.new_bits((nodes.stop - nodes.start) * width)
    plan.layout[order, column] = 64 * start
    plan.layout[order, column + 1] = width

    def write(piece: tuple[int, int]) -> None:
        lo, hi = nodes.start + piece[0], nodes.start + piece[1]
        kernels._pack_codes(numbers, lo, hi, codebook.largest, width, bits, piece[0] * width)

    thread_map(write, cut(nodes.stop - nodes.start, PIECE_NODES), threads)


def _add_ends(plan: _Plan, order: int) -> None:
    """Add the ends of the children of an order and their directory."""
    first, middle, stop = plan.tree.level[order : order + 3].tolist()
    bits, start = plan.new_bits(stop - first)
    kernels._pack_ends(plan.tree.begin, first, middle, bits)
    blocks = np.zeros(max(1, -(-len(bits) // columns.BLOCK_WORDS)), np.int32)
    samples = np.zeros(((middle - first) >> columns.SAMPLE_SHIFT) + 2, np.int32)
    kernels._index_ends(bits, blocks, samples)
    plan.layout[order, columns.ENDS] = start
    plan.layout[order, columns.BLOCKS] = _length(plan.index)
    plan.index += [blocks, samples]
    plan.layout[order, columns.SAMPLES] = plan.layout[order, columns.BLOCKS] + len(blocks)
