"""NeMo's n-best lists: lines ``text TAB score`` without names, and a manifest of the utterances.

Each utterance of the manifest (JSON lines with ``audio_filepath`` and the reference ``text``) has the same number of
lines, which follow one another in the order of the manifest. The id is ``audio_filepath`` if all have one and no two
the same, else the number of the utterance from 0. The first number is the score ``score``; if there are more columns
they are ``score2``, ``score3``, ….

What is written has a column for each score, then one for each new feature in the order of the report, and the total in
the last one, which reads back as a score, too. The chosen texts are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from lmmix.errors import FormatError, InputError, SettingError
from lmmix.fileio import PathLike, atomic_write, read_text_lines
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.json_text import from_json
from lmmix.nbest.formats.numbers import as_text, is_number, number
from lmmix.nbest.formats.output import refuse_parts
from lmmix.nbest.utterance import Rescored, Utterance


def recognises(path: Path, head: str) -> bool:
    """Whether the last column of the first line is a number."""
    _, tab, last = head.rpartition("\t")
    return bool(tab) and is_number(last)


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, one by one. Raises FormatError with file and line, SettingError without a manifest."""
    if not options.manifest:
        raise SettingError(f"{path}: lists of NeMo do not name their utterances: give the manifest, --manifest FILE")
    if str(path) == "-":
        raise SettingError("lists of NeMo are read twice, so they cannot come from standard input; give a file")
    manifest = _manifest(options.manifest)
    rows = sum(1 for _ in _rows(path))
    if rows % len(manifest):
        raise FormatError(
            f"{path}: {rows} lines are not the same number for each of the {len(manifest)} utterances in "
            f"{options.manifest}"
        )
    ids = [record.get("audio_filepath") for record in manifest]
    by_path = None not in ids and len(set(ids)) == len(ids)
    lines = _rows(path)
    columns = 0
    for place, record in enumerate(manifest):
        utterance = _utterance(list(islice(lines, rows // len(manifest))), path, columns)
        columns = len(utterance.scores)
        utterance.id = str(record["audio_filepath"] if by_path else place)
        utterance.refs = (record["text"],) if record.get("text") is not None else ()
        utterance.fields = {"manifest": record}
        yield utterance


def _manifest(path: PathLike) -> list[dict[str, Any]]:
    records = []
    for place, line in read_text_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{place}"
        record = from_json(line, where)
        if not isinstance(record, dict):
            raise FormatError(f"{where}: not an object with an audio_filepath and a text")
        for name in ("audio_filepath", "text"):
            if not isinstance(record.get(name), str | None):
                raise FormatError(f"{where}: {name!r} is {record[name]!r:.40}, not a text")
        records.append(record)
    if not records:
        raise InputError(f"{path}: there are no utterances in the manifest")
    return records


def _rows(path: PathLike) -> Iterator[tuple[int, str]]:
    """The lines that are not empty; an empty hypothesis has its score."""
    return ((place, line) for place, line in read_text_lines(path) if line.strip())


def _utterance(rows: list[tuple[int, str]], path: PathLike, columns: int) -> Utterance:
    """The hypotheses in these lines, each with so many `columns` of numbers, if that is known."""
    utterance = Utterance("", [], where=f"{path}:{rows[0][0] if rows else 1}")
    for place, line in rows:
        text, *numbers = line.split("\t")
        columns = columns or len(numbers)
        if not numbers or len(numbers) != columns:
            raise FormatError(
                f"{path}:{place}: {len(numbers)} numbers behind the text, not {columns or 1}; lines must be "
                "text TAB score, with the same number of scores in each"
            )
        utterance.texts.append(text)
        for i, given in enumerate(numbers, 1):
            name = "score" if i == 1 else f"score{i}"
            utterance.scores.setdefault(name, []).append(number(given, name, f"{path}:{place}"))
    return utterance


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes lines of texts and numbers, for which the manifest stays as it is.

    Raises InputError for lists without any number, of different lengths, or with a tab or the end of a line in a text.
    """
    with atomic_write(path) as stream:
        length = 0

        def write(rescored: Rescored) -> None:
            nonlocal length
            texts = rescored.utterance.texts
            if length and len(texts) != length:
                raise InputError(
                    f"utterance {rescored.utterance.id!r} has {len(texts)} hypotheses, those before it have {length}; "
                    "lists of NeMo have the same number for each: use the format jsonl"
                )
            length = len(texts)
            _write(stream, rescored)

        yield write


def _write(stream: BinaryIO, rescored: Rescored) -> None:
    utterance = rescored.utterance
    columns = list(rescored.scores().values())
    if rescored.total is not None:
        columns.append(rescored.total.tolist())
    if not columns:
        raise InputError(f"utterance {utterance.id!r} has no score; lists of NeMo need one: use the format jsonl")
    for text, *numbers in zip(utterance.texts, *columns):
        refuse_parts(text, ("\t", "\n"), "a text", utterance, "nemo")
        line = "\t".join([text, *map(as_text, numbers)])
        stream.write(line.encode() + b"\n")
