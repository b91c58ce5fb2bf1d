"""The `.lmx` file: a back-off model as a memory-mapped artefact, loaded without parsing anything.

There are two forms: the exact one holds the arrays of a `BackoffModel`, the packed one those of a `PackedModel`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lmmix.artefact import check_fields, is_small, load_artefact, save_artefact
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram._packed_kernels import COLUMNS
from lmmix.ngram.packed import PackedArrays, PackedModel
from lmmix.ngram.packing import pack
from lmmix.ngram.tree import NgramTree
from lmmix.ngram.tree_check import check_tree, check_vocab
from lmmix.vocab import Vocab

KIND = "ngram"
PACKED_KIND = "ngram-packed"

_META = {"signature": str, "tokenizer": str, "fingerprint": str}
_ARRAYS = {
    "level": "i8", "word": "i4", "begin": "i4", "suffix": "i4", "logp": "f8", "backoff": "f8",
    "vocab_pool": "u1", "vocab_begin": "i8",
}  # fmt: skip
_PACKED_META = {**_META, "quantised": int}
_PACKED_ARRAYS = {
    "layout": "i8", "bits": "i8", "index": "i4", "values": "f4", "vocab_pool": "u1", "vocab_begin": "i8",
}  # fmt: skip


def write_lmx(model: BackoffModel, path: PathLike) -> None:
    """Write `model` atomically; reading it back gives the same numbers to the last bit. Raises InputError."""
    tree, vocab = model.tree, model.vocab
    arrays = {
        "level": tree.level,
        "word": tree.word,
        "begin": tree.begin,
        "suffix": tree.suffix,
        "logp": model.logp,
        "backoff": model.backoff,
        "vocab_pool": vocab.pool,
        "vocab_begin": vocab.begin,
    }
    save_artefact(path, KIND, _meta(model), arrays)


def read_lmx(path: PathLike, full: bool | None = None) -> BackoffModel:
    """Map the model in `path` into memory. Raises FormatError for a damaged file or one of another kind.

    `full` looks at every byte: checksums, and whether the arrays are a model. By default small files are looked at
    in full (see `lmmix.artefact.is_small`), and of others sizes and places only, which takes milliseconds.
    """
    full = is_small(path) if full is None else full
    meta, arrays = load_artefact(path, KIND, verify=full)
    check_fields(path, meta, arrays, _META, _ARRAYS)
    vocab = _vocab(path, meta, arrays, full)
    tree = NgramTree(arrays["level"], arrays["word"], arrays["begin"], arrays["suffix"])
    check_tree(path, tree, arrays["logp"], arrays["backoff"], len(vocab), full)
    return BackoffModel(tree, arrays["logp"], arrays["backoff"], vocab, meta["signature"])


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
        "vocab_begin": vocab.begin,
    }
    save_artefact(path, PACKED_KIND, {**_meta(model), "quantised": model.quantised or 0}, arrays)


def read_packed(path: PathLike, full: bool | None = None) -> PackedModel:
    """Map the packed model in `path` into memory; see `read_lmx`."""
    full = is_small(path) if full is None else full
    meta, arrays = load_artefact(path, PACKED_KIND, verify=full)
    check_fields(path, meta, arrays, _PACKED_META, _PACKED_ARRAYS)
    layout = arrays["layout"].reshape(-1, COLUMNS) if len(arrays["layout"]) % COLUMNS == 0 else arrays["layout"]
    packed = PackedArrays(arrays["bits"].view(np.uint64), arrays["index"], arrays["values"], layout)
    vocab = _vocab(path, meta, arrays, full)
    wrong = packed.wrong(len(vocab))
    if wrong:
        raise FormatError(f"{path}: array 'layout' does not fit the others ({wrong}); make the file again")
    return PackedModel(packed, meta["quantised"] or None, vocab, meta["signature"])


def _meta(model: BackoffModel | PackedModel) -> dict[str, Any]:
    vocab = model.vocab
    return {"signature": model.signature, "tokenizer": vocab.tokenizer, "fingerprint": vocab.fingerprint}


def _vocab(path: PathLike, meta: dict[str, Any], arrays: dict[str, np.ndarray], full: bool) -> Vocab:
    check_vocab(path, arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"], full)
    vocab = Vocab(arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"])
    vocab.fingerprint = meta["fingerprint"]
    return vocab
