"""The packed form of the `.lmx` file: the arrays of a `PackedModel` as a memory-mapped artefact."""

from __future__ import annotations

import numpy as np

from lmmix.artefact import check_fields, is_small, load_artefact, save_artefact
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.ngram._packed_kernels import COLUMNS, FIRST
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.lmxfile import META, meta_of
from lmmix.ngram.packed import PackedArrays, PackedModel
from lmmix.ngram.packed_check import check_packed
from lmmix.ngram.packing import pack
from lmmix.vocab_check import stored_vocab

KIND = "ngram-packed"

FEW_NODES = 1 << 17
"""A tree of so many nodes is unpacked and checked in some 50 ms."""

_META = {**META, "quantised": int}
_ARRAYS = {
    "layout": "i8", "bits": "i8", "index": "i4", "values": "f4", "vocab_pool": "u1", "vocab_begin": "i4",
}  # fmt: skip


def write_packed(model: BackoffModel, path: PathLike, bits: int | None = 8, threads: int | None = None) -> PackedModel:
    """Write `model` in the packed form, see `packing.pack`, and return that. Raises SettingError, InputError."""
    packed = pack(model, bits, threads)
    save_packed(packed, path)
    return packed


def save_packed(model: PackedModel, path: PathLike) -> None:
    """Write a packed model as it is, atomically. Raises InputError."""
    packed, vocab = model.arrays, model.vocab
    arrays = {
        "layout": packed.layout.reshape(-1),
        "bits": packed.bits.view(np.int64),
        "index": packed.index,
        "values": packed.values,
        "vocab_pool": vocab.pool,
        "vocab_begin": vocab.begin.astype(np.int32),
    }
    save_artefact(path, KIND, {**meta_of(model), "quantised": model.quantised or 0}, arrays)


def read_packed(path: PathLike, full: bool | None = None) -> PackedModel:
    """Map the packed model in `path` into memory; errors and `full` as in `lmxfile.read_lmx`.

    By default checksums and words are looked at in small files, and whether the arrays are a tree in those of at most
    FEW_NODES, because that takes unpacking them.
    """
    whole = is_small(path) if full is None else full
    meta, arrays = load_artefact(path, KIND, verify=whole)
    check_fields(path, meta, arrays, _META, _ARRAYS)
    layout = arrays["layout"].reshape(-1, COLUMNS) if len(arrays["layout"]) % COLUMNS == 0 else arrays["layout"]
    packed = PackedArrays(arrays["bits"].view(np.uint64), arrays["index"], arrays["values"], layout)
    arrays["vocab_begin"] = arrays["vocab_begin"].astype(np.int64)
    vocab = stored_vocab(path, meta, arrays, whole)
    wrong = packed.wrong(len(vocab))
    if wrong:
        raise FormatError(f"{path}: array 'layout' does not fit the others ({wrong}); make the file again")
    model = PackedModel(packed, meta["quantised"] or None, vocab, meta["signature"])
    if full or (whole and packed.layout[-1, FIRST] <= FEW_NODES):
        check_packed(path, model)
    return model
