"""The `.lmx` file: a back-off model as a memory-mapped artefact, loaded without parsing anything."""

from __future__ import annotations

from lmmix.artefact import load_artefact, save_artefact
from lmmix.fileio import PathLike
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.vocab import Vocab

KIND = "ngram"


def write_lmx(model: BackoffModel, path: PathLike) -> None:
    """Write `model` atomically; reading it back gives the same numbers to the last bit. Raises InputError."""
    tree, vocab = model.tree, model.vocab
    meta = {"signature": model.signature, "tokenizer": vocab.tokenizer, "fingerprint": vocab.fingerprint}
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
    save_artefact(path, KIND, meta, arrays)


def read_lmx(path: PathLike) -> BackoffModel:
    """Map the model in `path` into memory. Raises FormatError for a damaged file or one of another kind."""
    meta, arrays = load_artefact(path, KIND)
    vocab = Vocab(arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"])
    vocab.fingerprint = meta["fingerprint"]
    tree = NgramTree(arrays["level"], arrays["word"], arrays["begin"], arrays["suffix"])
    return BackoffModel(tree, arrays["logp"], arrays["backoff"], vocab, meta["signature"])
