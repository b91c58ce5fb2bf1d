"""The `.lmc` file: n-gram counts as a memory-mapped artefact, read without parsing anything."""

from __future__ import annotations

import numpy as np

from lmmix.artefact import check_fields, load_artefact, save_artefact
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.tree import NgramTree
from lmmix.ngram.tree_check import check_structure
from lmmix.vocab import Vocab
from lmmix.vocab_check import stored_vocab

KIND = "counts"
SUFFIX = ".lmc"

_META = {"tokenizer": str, "fingerprint": str}
_ARRAYS = {"level": "i8", "word": "i4", "begin": "i4", "suffix": "i4", "vocab_pool": "u1", "vocab_begin": "i8"}


def write_lmc(counts: NgramCounts, vocab: Vocab, path: PathLike) -> None:
    """Write `counts` over `vocab` atomically. Raises InputError."""
    tree = counts.tree
    meta = {"tokenizer": vocab.tokenizer, "fingerprint": vocab.fingerprint}
    arrays = {
        "level": tree.level,
        "word": tree.word,
        "begin": tree.begin,
        "suffix": tree.suffix,
        "count": counts.count,
        "vocab_pool": vocab.pool,
        "vocab_begin": vocab.begin,
    }
    save_artefact(path, KIND, meta, arrays)


def read_lmc(path: PathLike) -> tuple[NgramCounts, Vocab]:
    """Map the counts in `path` into memory, after a look at every byte, since training uses them all.

    Raises FormatError, naming array and place, for a damaged file or one of another kind.
    """
    meta, arrays = load_artefact(path, KIND, verify=True)
    whole = "count" in arrays and arrays["count"].dtype == np.int32
    check_fields(path, meta, arrays, _META, {**_ARRAYS, "count": "i4" if whole else "f8"})
    vocab = stored_vocab(path, meta, arrays, full=True)
    tree = NgramTree(arrays["level"], arrays["word"], arrays["begin"], arrays["suffix"])
    check_structure(path, tree, len(vocab), full=True)
    count = arrays["count"]
    if len(count) != tree.size or not ((count >= 0) & (count < np.inf)).all():
        raise FormatError(f"{path}: array 'count' does not hold a number from 0 up for each of {tree.size} nodes")
    return NgramCounts(tree, count), vocab
