"""The `.lmc` file: n-gram counts as a memory-mapped artefact, read without parsing anything."""

from __future__ import annotations

from lmmix.artefact import load_artefact, save_artefact
from lmmix.fileio import PathLike
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.tree import NgramTree
from lmmix.vocab import Vocab

KIND = "counts"
SUFFIX = ".lmc"


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
    """Map the counts in `path` into memory. Raises FormatError for a damaged file or one of another kind."""
    meta, arrays = load_artefact(path, KIND)
    vocab = Vocab(arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"])
    vocab.fingerprint = meta["fingerprint"]
    tree = NgramTree(arrays["level"], arrays["word"], arrays["begin"], arrays["suffix"])
    return NgramCounts(tree, arrays["count"]), vocab
