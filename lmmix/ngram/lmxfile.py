"""The `.lmx` file: a back-off model as a memory-mapped artefact, loaded without parsing anything.

This is the exact form, which holds the arrays of a `BackoffModel`; `packed_file` has the small one.
"""

from __future__ import annotations

from typing import Any

from lmmix.artefact import check_fields, is_small, load_artefact, read_header, save_artefact
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.ngram.tree_check import check_tree
from lmmix.vocab_check import check_fingerprint, stored_vocab

KIND = "ngram"

META = {"signature": str, "tokenizer": str, "fingerprint": str}
_ARRAYS = {
    "level": "i8", "word": "i4", "begin": "i4", "suffix": "i4", "logp": "f8", "backoff": "f8",
    "vocab_pool": "u1", "vocab_begin": "i8",
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
    save_artefact(path, KIND, meta_of(model), arrays)


def read_lmx(path: PathLike, full: bool | None = None) -> BackoffModel:
    """Map the model in `path` into memory. Raises FormatError for a damaged file or one of another kind.

    `full` looks at every byte: checksums, and whether the arrays are a model. By default small files are looked at
    in full (see `lmmix.artefact.is_small`), and of others sizes and places only, which takes milliseconds.
    """
    full = is_small(path) if full is None else full
    meta, arrays = load_artefact(path, KIND, verify=full)
    check_fields(path, meta, arrays, META, _ARRAYS)
    vocab = stored_vocab(path, meta, arrays, full)
    tree = NgramTree(arrays["level"], arrays["word"], arrays["begin"], arrays["suffix"])
    check_tree(path, tree, arrays["logp"], arrays["backoff"], len(vocab), full)
    return BackoffModel(tree, arrays["logp"], arrays["backoff"], vocab, meta["signature"])


def check_lmx(path: PathLike) -> LanguageModel:
    """The model in `path`, exact or packed, after all that can be checked has been: the file in full, and the name of
    the vocabulary.

    Raises FormatError. Takes as long as reading the file and sorting its words; packed models are unpacked.
    """
    # Packed models have kernels that exact ones need not load.
    from lmmix.ngram import packed_file

    packed = read_header(path)[0]["kind"] == packed_file.KIND
    model: LanguageModel = packed_file.read_packed(path, full=True) if packed else read_lmx(path, full=True)
    check_fingerprint(path, model.vocab)
    return model


def meta_of(model: LanguageModel) -> dict[str, Any]:
    """What every form of the file says of a model beside its arrays."""
    vocab = model.vocab
    return {"signature": model.signature, "tokenizer": vocab.tokenizer, "fingerprint": vocab.fingerprint}
