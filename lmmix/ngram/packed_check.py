"""Whether packed arrays are a tree of n-grams, all of them looked at; see `tree_check` for what that means."""

from __future__ import annotations

import numpy as np

from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.ngram import _packed_kernels as kernels
from lmmix.ngram._packing_kernels import _index_ends
from lmmix.ngram.packed import PackedArrays, PackedModel
from lmmix.ngram.tree_check import check_tree


def check_packed(path: PathLike, model: PackedModel) -> None:
    """Raise FormatError, naming the array, unless the packed arrays hold what a tree holds and are made as they must.

    The layout must fit already (`PackedArrays.wrong`). Unpacks the model, so takes its room in memory.
    """
    for order in range(1, model.order):
        _check_ends(path, model.arrays, order)
    exact = model.unpacked()
    check_tree(f"{path}: unpacked", exact.tree, exact.logp, exact.backoff, len(model.vocab), full=True)


def _check_ends(path: PathLike, arrays: PackedArrays, order: int) -> None:
    """As many ones as there are nodes, the last one behind the last child; and the directory of them."""
    row = arrays.layout[order]
    nodes, children = np.diff(arrays.layout[order : order + 3, kernels.FIRST]).tolist()
    start, total = row[kernels.ENDS], nodes + children
    words = arrays.bits[start : start + -(-total // 64)]
    ends = np.unpackbits(words.view(np.uint8), bitorder="little")
    if np.count_nonzero(ends) != nodes or (total and not ends[total - 1]):
        raise FormatError(f"{path}: array 'bits' does not hold the ends of {nodes} contexts of order {order}")
    blocks = np.empty(row[kernels.SAMPLES] - row[kernels.BLOCKS], np.int32)
    samples = np.empty((nodes >> kernels.SAMPLE_SHIFT) + 2, np.int32)
    _index_ends(words, blocks, samples)
    directory = np.concatenate([blocks, samples])
    wrong = arrays.index[row[kernels.BLOCKS] :][: len(directory)] != directory
    if wrong.any():
        place = row[kernels.BLOCKS] + int(wrong.argmax())
        raise FormatError(f"{path}: array 'index' is wrong at place {place}: it does not fit the ends of children")
