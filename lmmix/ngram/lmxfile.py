"""The `.lmx` file: a back-off model as a memory-mapped artefact, loaded without parsing anything.

There are two forms: the exact one holds the arrays of a `BackoffModel`, the packed one those of a `PackedModel`.
What packs is imported only when needed, because it has kernels of its own to compile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmix.artefact import load_artefact, save_artefact
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.vocab import Vocab

if TYPE_CHECKING:
    from lmmix.ngram.packed import PackedModel

KIND = "ngram"
PACKED_KIND = "ngram-packed"


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


def read_lmx(path: PathLike) -> BackoffModel:
    """Map the model in `path` into memory. Raises FormatError for a damaged file or one of another kind."""
    meta, arrays = load_artefact(path, KIND)
    tree = NgramTree(arrays["level"], arrays["word"], arrays["begin"], arrays["suffix"])
    return BackoffModel(tree, arrays["logp"], arrays["backoff"], _vocab(meta, arrays), meta["signature"])


def write_packed(model: BackoffModel, path: PathLike, bits: int | None = 8, threads: int | None = None) -> PackedModel:
    """Write `model` in the packed form, see `packing.pack`, and return that. Raises SettingError, InputError."""
    from lmmix.ngram.packing import pack

    packed = pack(model, bits, threads)
    save_packed(packed, path)
    return packed


def save_packed(model: PackedModel, path: PathLike) -> None:
    """Write a packed model as it is, atomically. Raises InputError."""
    packed, vocab = model.arrays, model.vocab
    arrays = {
        "layout": packed.layout,
        "bits": packed.bits.view(np.int64),
        "index": packed.index,
        "values": packed.values,
        "vocab_pool": vocab.pool,
        "vocab_begin": vocab.begin.astype(np.int32) if len(vocab.pool) < 2**31 else vocab.begin,
    }
    save_artefact(path, PACKED_KIND, {**_meta(model), "quantised": model.quantised}, arrays)


def read_packed(path: PathLike) -> PackedModel:
    """Map the packed model in `path` into memory. Raises FormatError for a damaged file or one of another kind."""
    from lmmix.ngram.packed import PackedArrays, PackedModel

    meta, arrays = load_artefact(path, PACKED_KIND)
    packed = PackedArrays(arrays["bits"].view(np.uint64), arrays["index"], arrays["values"], arrays["layout"])
    vocab = _vocab(meta, arrays)
    wrong = packed.wrong(len(vocab))
    if wrong:
        raise FormatError(f"{path}: the packed n-grams do not fit together ({wrong}); make the file again")
    return PackedModel(packed, meta["quantised"], vocab, meta["signature"])


def _meta(model: BackoffModel | PackedModel) -> dict[str, Any]:
    vocab = model.vocab
    return {"signature": model.signature, "tokenizer": vocab.tokenizer, "fingerprint": vocab.fingerprint}


def _vocab(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> Vocab:
    vocab = Vocab(arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"])
    vocab.fingerprint = meta["fingerprint"]
    return vocab
