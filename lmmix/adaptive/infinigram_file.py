"""The `.lmi` file: an ∞-gram model as a memory-mapped artefact."""

from __future__ import annotations

import numpy as np

from lmmix.adaptive.infinigram import InfinigramModel
from lmmix.artefact import check_fields, is_small, load_artefact, refuse_places, save_artefact
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.vocab import BOS, EOS
from lmmix.vocab_check import check_fingerprint, stored_vocab

KIND = "infinigram"

_META = {"tokenizer": str, "fingerprint": str, "min_count": int}
_ARRAYS = {"ids": "i4", "places": "i4", "begin": "i8", "vocab_pool": "u1", "vocab_begin": "i8"}


def write_lmi(model: InfinigramModel, path: PathLike) -> None:
    """Write `model` atomically: 8 bytes a word of the training text, and the vocabulary. Raises InputError."""
    vocab = model.vocab
    meta = {"tokenizer": vocab.tokenizer, "fingerprint": vocab.fingerprint, "min_count": model.min_count}
    arrays = {
        "ids": model.ids,
        "places": model.places,
        "begin": model.begin,
        "vocab_pool": vocab.pool,
        "vocab_begin": vocab.begin,
    }
    save_artefact(path, KIND, meta, arrays)


def read_lmi(path: PathLike, full: bool | None = None) -> InfinigramModel:
    """Map the model in `path` into memory. Raises FormatError for a damaged file or one of another kind.

    `full` looks at every byte: checksums, and whether the arrays are a text and its order. By default small files are
    looked at in full (see `lmmix.artefact.is_small`), and of others sizes and places only.
    """
    full = is_small(path) if full is None else full
    meta, arrays = load_artefact(path, KIND, verify=full)
    check_fields(path, meta, arrays, _META, _ARRAYS)
    vocab = stored_vocab(path, meta, arrays, full)
    ids, places, begin = arrays["ids"], arrays["places"], arrays["begin"]
    if meta["min_count"] < 1:
        raise FormatError(f"{path}: header field meta.min_count is {meta['min_count']}; it must be 1 or more")
    _check_sizes(path, ids, places, begin, len(vocab))
    if full:
        _check_text(path, ids, begin)
        _check_places(path, ids, places, begin)
    return InfinigramModel(ids, places, begin, vocab, meta["min_count"])


def check_lmi(path: PathLike) -> InfinigramModel:
    """The model in `path` after all that can be checked has been: the file in full, and the name of the vocabulary.

    Raises FormatError.
    """
    model = read_lmi(path, full=True)
    check_fingerprint(path, model.vocab)
    return model


def _check_sizes(path: PathLike, ids: np.ndarray, places: np.ndarray, begin: np.ndarray, words: int) -> None:
    if not len(ids) or ids[-1] != EOS:
        raise FormatError(f"{path}: array 'ids' does not end with the end of a sentence")
    for name, array, size in (("places", places, len(ids)), ("begin", begin, words + 1)):
        if len(array) != size:
            raise FormatError(f"{path}: array {name!r} has {len(array)} places, not {size}")
    if begin[0] != 0 or begin[-1] != len(ids):
        raise FormatError(f"{path}: array 'begin' goes from {begin[0]} to {begin[-1]}, not from 0 to {len(ids)}")
    refuse_places(path, "begin", begin[1:] < begin[:-1], "it descends")


def _check_text(path: PathLike, ids: np.ndarray, begin: np.ndarray) -> None:
    words = len(begin) - 1
    refuse_places(path, "ids", (ids < 0) | (ids >= words) | (ids == BOS), f"it is not one of {words} words, or is <s>")
    counts = np.bincount(ids, minlength=words)
    refuse_places(path, "begin", np.diff(begin) != counts, "the word is not as often in the text")


def _check_places(path: PathLike, ids: np.ndarray, places: np.ndarray, begin: np.ndarray) -> None:
    """All places, each once, and each less than the next by its word, else by the place before it, else by itself.

    The places before are in order if all are, so comparing neighbours proves everything (Burkhardt & Kärkkäinen 2003,
    "Fast lightweight suffix array construction and checking").
    """
    slot = np.full(len(ids), -1, np.int64)
    refuse_places(path, "places", (places < 0) | (places >= len(ids)), "it is not a place of the text")
    slot[places] = np.arange(len(ids))
    if (slot < 0).any():
        raise FormatError(f"{path}: array 'places' lacks the place {int(slot.argmin())} of the text")
    # The text is a ring: before its first place stands its last `</s>`. What stops a sentence stands before all words.
    before = np.where(ids[places - 1] == EOS, begin[EOS], slot[places - 1])
    keys = ids[places], before, places
    less = np.zeros(len(ids) - 1, bool)
    for key in reversed(keys):
        less = (key[:-1] < key[1:]) | ((key[:-1] == key[1:]) & less)
    refuse_places(path, "places", ~less, "the next place does not belong behind it")
