"""Kaldi's n-best lists: archives as text, with costs.

A folder as `nbest-to-linear` and the scripts around it leave it, or a folder of such folders ``archives.1``,
``archives.2``, …. One file (``words_text``, ``text`` or ``text.txt``) has a line ``utterance-rank word word …`` for
each hypothesis, in which the key may stand alone. The lines of an utterance follow one another and their ranks ascend;
a rank may be missing. Each file of lines ``utterance-rank cost`` with the same keys in the same order is a score,
called like the file: costs are negative natural logarithms, so the score is −cost. ``ali`` and ``words`` hold numbers
of other kinds; these, and whatever else does not begin with such a line, are left alone with a warning. The list may
also be the one file of texts, and costs may be elsewhere (`ReadOptions.scores`).

What is written is one folder: ``text``, a file of costs for each score, old and new (``lm%3Amix`` for ``lm:mix`` and
``%77ords`` for ``words``, see `folder.file_of`), ``total``, a cost as well, and ``best`` with lines
``utterance word word …``. Reading takes ``total`` for what an earlier run found, not for a score, and passes over
``best``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, InputError
from lmmix.fileio import COMPRESSED, PathLike
from lmmix.nbest.formats.folder import MARKER, FolderFiles, file_of, name_of, written_folder
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.keyed import KeyedLines, first_line, keyed_line, numbered_folders, parted
from lmmix.nbest.formats.numbers import as_text, is_number
from lmmix.nbest.utterance import TOTAL, Rescored, Utterance

logger = logging.getLogger("lmmix")

TEXTS = ("words_text", "text", "text.txt")
"""Files of texts, the first that is there."""

OTHER = ("ali", "words")
"""Archives of integers, which may look like costs."""

BEST = "best"

_KEY = re.compile(r"(.+)-([1-9][0-9]*)", re.DOTALL)


def recognises(path: Path, head: str) -> bool:
    """Whether a folder has texts, or the first line is a first hypothesis."""
    if path.is_dir():
        return bool(_text_file(path) or any(map(_text_file, numbered_folders(path, "archives."))))
    key, _ = parted(head)
    return key.endswith("-1") and _KEY.fullmatch(key) is not None and not is_number(key)


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, line by line. Raises FormatError with file and line, InputError."""
    further = _named([Path(score) for score in options.scores])
    folder = Path(path)
    parts = [folder] if not folder.is_dir() or _text_file(folder) else numbered_folders(folder, "archives.")
    if not parts:
        raise InputError(f"{path}: the folder has no file {' or '.join(TEXTS)}, and no folders archives.1, …")
    for part in parts:
        yield from _part(part, further)
    for file in further.values():
        file.finish(path)


def _text_file(folder: Path) -> Path | None:
    found = (folder / (name + suffix) for name in TEXTS for suffix in ("", *COMPRESSED))
    return next((file for file in found if file.is_file()), None)


def _part(part: Path, further: dict[str, KeyedLines]) -> Iterator[Utterance]:
    """The lists of one folder or file of texts."""
    file: Path | None = part
    costs: dict[str, KeyedLines] = {}
    total = None
    if part.is_dir():
        file = _text_file(part)
        if file is None:
            raise InputError(f"{part}: the folder has no file {' or '.join(TEXTS)}")
        costs = _named(_cost_files(part, file))
        total = KeyedLines(part / TOTAL) if _begins_with_cost(part / TOTAL) else None
    if twice := costs.keys() & further.keys():
        raise InputError(f"{further[min(twice)].path}: {part} has costs called {min(twice)!r}, too; rename the file")
    texts = KeyedLines(file or part)
    while texts.key is not None:
        yield _utterance(texts, costs | further, total)
    for one in (*costs.values(), *([total] if total else [])):
        one.finish(texts.path)


def _named(files: list[Path]) -> dict[str, KeyedLines]:
    named: dict[str, KeyedLines] = {}
    for file in files:
        name = name_of(file)
        if name in named:
            raise InputError(f"{file}: {named[name].path} has costs called {name!r}, too; rename the file")
        named[name] = KeyedLines(file)
    return named


def _cost_files(folder: Path, text: Path) -> list[Path]:
    """The files of costs; a warning names what else there is."""
    known = (text.name, MARKER, TOTAL, BEST)
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name not in known)
    costs = [file for file in files if file.name not in OTHER and _begins_with_cost(file)]
    if left := [file.name for file in files if file not in costs]:
        logger.warning("%s: files that are no costs are left alone: %s", folder, ", ".join(left))
    return costs


def _begins_with_cost(file: Path) -> bool:
    if not file.is_file():
        return False
    key, value = first_line(file)
    return _KEY.fullmatch(key) is not None and is_number(value.strip())


def _utterance(texts: KeyedLines, costs: dict[str, KeyedLines], total: KeyedLines | None) -> Utterance:
    """The hypotheses with the next key's utterance."""
    where = texts.where
    name, _ = _name_and_rank(texts)
    utterance = Utterance(name, [], {score: [] for score in costs}, where=where)
    ranks: list[int] = []
    totals: list[float] = []
    while texts.key is not None:
        other, rank = _name_and_rank(texts)
        if other != name:
            break
        if ranks and rank <= ranks[-1]:
            raise FormatError(
                f"{texts.where}: rank {rank} of {name!r} stands behind rank {ranks[-1]}; they must ascend"
            )
        ranks.append(rank)
        for score, file in costs.items():
            utterance.scores[score].append(_score(file, texts))
        if total is not None:
            totals.append(_score(total, texts))
        utterance.texts.append(texts.next())
    utterance.hyp_fields = _fields(ranks, totals)
    return utterance


def _name_and_rank(texts: KeyedLines) -> tuple[str, int]:
    match = _KEY.fullmatch(texts.key or "")
    if match is None:
        raise FormatError(f"{texts.where}: the key {texts.key!r} is not an utterance and a rank from 1, as in utt-1")
    return match[1], int(match[2])


def _score(file: KeyedLines, texts: KeyedLines) -> float:
    # Taken from 0, so that a cost of 0 is no negative 0.
    return 0.0 - file.take_number(texts)


def _fields(ranks: list[int], totals: list[float]) -> list[dict[str, Any]]:
    """The totals of an earlier run, and ranks if some are missing."""
    kept: list[dict[str, Any]] = [{TOTAL: total} for total in totals] or [{} for _ in ranks]
    if ranks[-1] > len(ranks):
        for fields, rank in zip(kept, ranks):
            fields["rank"] = rank
    return kept if any(kept) else []


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a folder; ids cannot hold white space, texts no line ends. Raises InputError."""
    with written_folder(path, "kaldi") as files:
        yield lambda rescored: _write(files, rescored)


def _write(files: FolderFiles, rescored: Rescored) -> None:
    utterance = rescored.utterance
    keys = [f"{utterance.id}-{rank}" for rank in _ranks(utterance)]
    for key, text in zip(keys, utterance.texts):
        files.add("text", keyed_line(key, text))
    reserved = (*TEXTS, *OTHER, TOTAL, BEST, MARKER)
    numbers = {file_of(name, reserved): values for name, values in rescored.scores().items()}
    if (totals := rescored.totals()) is not None:
        numbers[TOTAL] = totals
    for file, values in numbers.items():
        for key, value in zip(keys, values):
            files.add(file, keyed_line(key, as_text(0.0 - value)))
    if rescored.text is not None:
        files.add(BEST, keyed_line(utterance.id, rescored.text))


def _ranks(utterance: Utterance) -> list[int]:
    """The ranks that the hypotheses came with, or else 1, 2, …."""
    ranks = [fields["rank"] for fields in utterance.hyp_fields if isinstance(fields.get("rank"), int)]
    ascend = all(lower < higher for lower, higher in pairwise([0, *ranks]))
    return ranks if ascend and len(ranks) == len(utterance.texts) else list(range(1, len(utterance.texts) + 1))
