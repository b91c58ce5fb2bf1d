"""A model of words as a file: JSON that names the model of pieces, and the vocabulary or its words.

Files are named by relative path and fingerprint, as in mixtures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import PathLike, file_entry, find_entered, read_json, write_json
from lmmix.lm import load
from lmmix.vocab import SPECIALS, Vocab
from lmmix.words.model import WordModel

KIND = "words"
VERSION = 1

REMEDY = "make the file again with lmmix words"


def save_words(model: WordModel, path: PathLike, pieces: PathLike, vocab: PathLike | None = None) -> None:
    """Write `model`, whose model of pieces is the file or folder `pieces`.

    `vocab` is the file of its words; without it they are written out. Raises InputError.
    """
    folder = Path(path).absolute().parent
    words = model.vocab.words[len(SPECIALS) :] if vocab is None else file_entry(Path(vocab), folder)
    content = {
        "kind": KIND,
        "version": VERSION,
        # Some files cannot say what made their tokens.
        "model": {**file_entry(Path(pieces), folder), "tokenizer": model.model.vocab.tokenizer},
        "vocab": words,
        "fingerprint": model.vocab.fingerprint,
    }
    write_json(path, content)


def load_words(path: PathLike) -> WordModel:
    """The model that `path` describes.

    Raises FormatError for a file that lacks something or names one that has changed, InputError for one that is not
    there.
    """
    content = read_json(path)
    try:
        return _made(content, Path(path).absolute().parent)
    except (InputError, SettingError, EventSpaceError) as error:
        kind = InputError if type(error) is InputError else FormatError
        raise kind(f"{path}: {error}") from None


def _check(content: Any) -> None:
    """Raise FormatError unless everything is there that `save_words` writes, and of its kind."""
    if not isinstance(content, dict):
        raise FormatError(f"holds no model of words; {REMEDY}")
    if content.get("version") != VERSION:
        raise FormatError(f"version {content.get('version')!r}; this lmmix reads version {VERSION}")
    words = content.get("vocab")
    if isinstance(words, list):
        strange = [word for word in words if not isinstance(word, str)]
        if strange:
            raise FormatError(f"{strange[0]!r:.80} among its words is no word; {REMEDY}")
    elif not _all_strings(words, "path", "fingerprint"):
        raise FormatError(f"its vocab must be a list of words, or the path and fingerprint of a file; {REMEDY}")
    if not _all_strings(content.get("model"), "path", "fingerprint", "tokenizer"):
        raise FormatError(f"its model must have a path, a fingerprint and a tokenizer; {REMEDY}")
    if not isinstance(content.get("fingerprint"), str):
        raise FormatError(f"it has no fingerprint of its words; {REMEDY}")


def _all_strings(entry: Any, *names: str) -> bool:
    """Whether `entry` is an object of JSON with strings under these names."""
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in names)


def _made(content: Any, folder: Path) -> WordModel:
    _check(content)
    words = content["vocab"]
    if isinstance(words, list):
        vocab = Vocab.from_words(words)
    else:
        vocab = Vocab.read(find_entered(words, folder, "the model of words", REMEDY))
    if vocab.fingerprint != content["fingerprint"]:
        raise FormatError("its words are not those that it was made for; " + REMEDY)
    file = find_entered(content["model"], folder, "the model of words", REMEDY)
    return WordModel(load(file, content["model"]["tokenizer"]), vocab)
