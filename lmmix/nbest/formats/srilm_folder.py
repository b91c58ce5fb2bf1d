"""Which files hold lists of SRILM and their scores."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from lmmix.errors import FormatError, InputError
from lmmix.fileio import COMPRESSED, SMALL_CHUNK_BYTES, explain_errors, read_text_lines
from lmmix.nbest.formats.folder import name_of
from lmmix.nbest.formats.numbers import number
from lmmix.nbest.formats.srilm_lines import HEADERS, bytelog
from lmmix.vocab import words_of

logger = logging.getLogger("lmmix")

INDEX, LISTS, SCORES, CHOSEN = "nbest-files", "nbest", "scores", "best"
"""What is in a folder that lmmix wrote: names of the lists in order, their folder, that of all folders of scores, the
chosen texts."""


def utterance_id(name: str) -> str:
    """The id that a file of this name stands for: without the suffixes of compressed files and of scores."""
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return name.removesuffix(".score")


def list_files(path: Path) -> list[Path]:
    """The files of all lists: by name, or in the order of the index that lmmix writes. Raises InputError."""
    if not path.is_dir():
        return [path]
    if (path / INDEX).is_file():
        return [path / line for _, line in read_text_lines(path / INDEX) if line]
    return _files(path)


def score_folders(path: Path, further: tuple[str, ...]) -> list[ScoreFolder]:
    """The folders of scores beside lists that lmmix wrote, and `further` ones. Raises InputError."""
    own: list[Path] = []
    if (path / INDEX).is_file() and (path / SCORES).is_dir():
        with explain_errors(path / SCORES, "read"):
            own = sorted(entry for entry in (path / SCORES).iterdir() if entry.is_dir())
    return [ScoreFolder(folder) for folder in (*own, *map(Path, further))]


def _files(folder: Path) -> list[Path]:
    with explain_errors(folder, "read"):
        found = sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    for file in found:
        if not file.name.isprintable():
            raise InputError(f"{folder}: the file {file.name!r} cannot be an utterance: its name is not printable")
    return found


class ScoreFolder:
    """A file of numbers for each utterance, a line for each hypothesis; the score is called like the folder.

    As in SRILM the first column counts, a bytelog in brackets becomes a natural logarithm, and where a file is shorter
    than the list, its lowest number stands for those that lack.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: is no folder; scores of SRILM's lists are folders with a file an utterance")
        self.folder, self.name = folder, name_of(folder.absolute())
        self.files: dict[str, Path] = {}
        self.padded = 0
        for file in _files(folder):
            other = self.files.setdefault(utterance_id(file.name), file)
            if other != file:
                raise InputError(f"{folder}: both {other.name} and {file.name} have scores of one utterance")

    def of(self, utterance: str, hypotheses: int, where: str) -> list[float]:
        """The scores of so many hypotheses. Raises InputError, FormatError."""
        if utterance not in self.files:
            raise InputError(
                f"{self.folder}: there is no file with the scores of the utterance {utterance!r} ({where})"
            )
        file = self.files[utterance]
        values = list(self._numbers(file))
        if not values or len(values) > hypotheses:
            raise FormatError(f"{file}: has {len(values)} numbers, and the list at {where} {hypotheses} hypotheses")
        if len(values) < hypotheses:
            self.padded += 1
        return values + [min(values)] * (hypotheses - len(values))

    def _numbers(self, file: Path) -> Iterator[float]:
        for place, line in read_text_lines(file, SMALL_CHUNK_BYTES):
            where = f"{file}:{place}"
            cells = words_of(line)
            if cells and cells[0] in HEADERS:
                continue
            text = cells[0] if cells else ""
            value = bytelog(text, self.name, where)
            yield number(text, self.name, where) if value is None else value

    def finish(self) -> None:
        """Warn of files that were too short."""
        if self.padded:
            logger.warning(
                f"{self.folder}: {self.padded} files have fewer numbers than their list has hypotheses; "
                "the lowest number of the file stands for those that lack"
            )


def check_id(name: str) -> None:
    """Raise InputError for an id that cannot be the name of a file which is read back under it."""
    if not name or "/" in name or name.startswith(".") or not name.isprintable() or utterance_id(name) != name:
        raise InputError(
            f"the id {name!r} cannot be the name of a file of SRILM's lists; rename it, "
            "or write another format, such as jsonl"
        )
