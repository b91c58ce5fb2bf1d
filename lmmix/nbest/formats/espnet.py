"""ESPnet's n-best lists: folders ``1best_recog``, ``2best_recog``, … with files of lines ``key value``.

Each folder has the hypotheses of one rank: in ``text``, in files of scores (``score``, or any other that begins with a
number in ``1best_recog``; a number may be printed as ``tensor(-1.5)``) and in others, such as ``token`` and
``token_int``, which are kept. Utterances come in the order of ``1best_recog/text``, and all other files must have the
same order. An utterance may lack the last ranks. The folders lie in the folder that is read or, if several jobs ran, in
its ``output.1``, ``output.2``, … or in those of its ``logdir``.

What is written is one folder, with new scores as files beside the old ones (``lm%3Amix`` for ``lm:mix``, see
`folder.file_of`), ``total``, and the texts that were chosen in ``text`` at the top. Reading takes ``total`` for what an
earlier run found, not for a score, and passes over the ``text`` at the top.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmmix.errors import InputError
from lmmix.fileio import PathLike
from lmmix.nbest.formats.folder import FolderFiles, file_of, name_of, written_folder
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.keyed import KeyedLines, first_line, fits_a_line, keyed_line, numbered_folders
from lmmix.nbest.formats.numbers import as_text, is_number
from lmmix.nbest.utterance import TOTAL, Rescored, Utterance

TEXT = "text"
LABELS = ("token", "token_int")
"""Files that may look like scores: a hypothesis of one token that is a number, or has one."""

_FIRST = "1best_recog"
_RANK = re.compile("([1-9][0-9]*)best_recog")
_TENSOR = re.compile(r"tensor\(\s*([^\s,)]+)[\s,)]")


def recognises(path: Path, head: str) -> bool:
    """Whether there is a folder of first hypotheses."""
    return path.is_dir() and any((part / _FIRST).is_dir() for part in _parts(path))


def _parts(path: Path) -> list[Path]:
    """The folders that hold folders of ranks."""
    if (path / _FIRST).is_dir():
        return [path]
    return numbered_folders(path, "output.") or numbered_folders(path / "logdir", "output.")


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, one by one. Raises FormatError with file and line, InputError."""
    parts = _parts(Path(path))
    if not parts:
        raise InputError(f"{path}: has no folder {_FIRST}, and no folders output.1, … that might")
    for part in parts:
        yield from _part(part)


def _part(part: Path) -> Iterator[Utterance]:
    scores = {name_of(file): file.name for file in _files(part / _FIRST) if _begins_with_score(file)}
    ranks = [_Rank(folder, scores) for folder in _rank_folders(part)]
    first = ranks[0].text
    while first.key is not None:
        yield _utterance(first.key, ranks)
    for rank in ranks:
        rank.finish(first)


def _rank_folders(part: Path) -> list[Path]:
    found = {int(match[1]): child for child in part.glob("*best_recog") if (match := _RANK.fullmatch(child.name))}
    for rank in range(1, max(found, default=1) + 1):
        if rank not in found:
            raise InputError(f"{part}: has no folder {rank}best_recog")
    return [found[rank] for rank in sorted(found)]


def _files(folder: Path) -> list[Path]:
    """All files of a rank but the texts and totals."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name not in (TEXT, TOTAL))


def _begins_with_score(file: Path) -> bool:
    return file.name not in LABELS and is_number(_plain(first_line(file)[1]))


def _plain(text: str) -> str:
    """A number without blanks and what PyTorch puts around it."""
    match = _TENSOR.match(text)
    return match[1] if match else text.strip()


class _Rank:
    """The files of one rank, read in step with those of the first one."""

    def __init__(self, folder: Path, scores: dict[str, str]) -> None:
        for name in (TEXT, *scores.values()):
            if not (folder / name).is_file():
                raise InputError(f"{folder}: there is no file {name}; all ranks need texts and the same scores")
        self.text = KeyedLines(folder / TEXT)
        self.scores = {name: KeyedLines(folder / file) for name, file in scores.items()}
        others = (file for file in _files(folder) if file.name not in scores.values())
        self.fields = {name_of(file): KeyedLines(file) for file in others}
        self.total = KeyedLines(folder / TOTAL) if (folder / TOTAL).is_file() else None

    def add_to(self, utterance: Utterance) -> None:
        """Add the hypothesis of this rank, which is next in all files."""
        for name, file in self.scores.items():
            utterance.scores[name].append(file.take_number(self.text, _plain))
        fields: dict[str, Any] = {name: file.next() for name, file in self.fields.items() if file.key == self.text.key}
        if self.total is not None:
            fields[TOTAL] = self.total.take_number(self.text, _plain)
        utterance.hyp_fields.append(fields)
        utterance.texts.append(self.text.next())

    def finish(self, first: KeyedLines) -> None:
        """Raise FormatError if a file has keys that the texts of the first rank do not have, or elsewhere."""
        self.text.finish(first.path)
        for file in (*self.scores.values(), *self.fields.values(), *([self.total] if self.total else [])):
            file.finish(self.text.path)


def _utterance(key: str, ranks: list[_Rank]) -> Utterance:
    utterance = Utterance(key, [], {name: [] for name in ranks[0].scores}, where=ranks[0].text.where)
    for rank in ranks:
        if rank.text.key != key:
            break
        rank.add_to(utterance)
    if not any(utterance.hyp_fields):
        utterance.hyp_fields = []
    return utterance


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a folder; ids cannot hold white space, texts no line ends. Raises InputError.

    Of what the list says of a hypothesis, all that are texts of one line become files; if they are numbers throughout
    they come back as scores.
    """
    with written_folder(path, "espnet") as files:
        yield lambda rescored: _write(files, rescored)


def _write(files: FolderFiles, rescored: Rescored) -> None:
    utterance = rescored.utterance
    key = utterance.id
    numbers = {file_of(name, (TEXT, TOTAL, *LABELS)): values for name, values in rescored.scores().items()}
    if (totals := rescored.totals()) is not None:
        numbers[TOTAL] = totals
    for i, text in enumerate(utterance.texts):
        lines = {TEXT: text, **{file: as_text(values[i]) for file, values in numbers.items()}}
        if utterance.hyp_fields:
            lines = _fields(utterance.hyp_fields[i]) | lines
        for file, value in lines.items():
            files.add(f"{i + 1}best_recog/{file}", keyed_line(key, value))
    if rescored.text is not None:
        files.add(TEXT, keyed_line(key, rescored.text))


def _fields(fields: dict[str, Any]) -> dict[str, str]:
    texts = {name: value for name, value in fields.items() if name and isinstance(value, str) and fits_a_line(value)}
    return {file_of(name, (TEXT, TOTAL)): value for name, value in texts.items()}
