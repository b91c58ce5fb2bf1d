"""One text an utterance, in lines `id word word …` as `write_best` writes them, as lists of one hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.nbest.formats.check import checked
from lmmix.nbest.formats.registry import recognised
from lmmix.nbest.references import texts_by_id
from lmmix.nbest.utterance import Utterance


def is_one_best(path: PathLike) -> bool:
    """Whether a file is taken for such lines: it is in no format of n-best lists. Raises InputError."""
    try:
        recognised(path)
    except FormatError:
        return not Path(path).is_dir()
    return False


def read_one_best(path: PathLike) -> Iterator[Utterance]:
    """A list of one hypothesis for each line that is not empty. Raises FormatError, InputError."""
    try:
        yield from checked(_lists(path), path)
    except FormatError as error:
        raise FormatError(
            f"{error}; {path} is in no format of n-best lists and was read as lines 'id word …'"
        ) from None


def _lists(path: PathLike) -> Iterator[Utterance]:
    for name, (number, text) in texts_by_id(path).items():
        yield Utterance(name, [text], where=f"{path}:{number}")
