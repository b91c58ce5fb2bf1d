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
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{path}: not a complete model of words: {type(error).__name__} {error}") from None


def _made(content: dict[str, Any], folder: Path) -> WordModel:
    if content["version"] != VERSION:
        raise FormatError(f"version {content['version']!r}; this lmmix reads version {VERSION}")
    words = content["vocab"]
    if isinstance(words, list):
        vocab = Vocab.from_words(words)
    else:
        vocab = Vocab.read(find_entered(words, folder, "the model of words", REMEDY))
    if vocab.fingerprint != content["fingerprint"]:
        raise FormatError("its words are not those that it was made for; " + REMEDY)
    file = find_entered(content["model"], folder, "the model of words", REMEDY)
    return WordModel(load(file, content["model"]["tokenizer"]), vocab)
