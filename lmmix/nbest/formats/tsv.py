"""Tables: cells parted by tabs, a header line, a line a hypothesis.

The columns `id` and `text` must be there; `ref` is the reference, `ref2`, `ref3`, … are further ones. An empty cell
is an empty text or reference. Lines of one id follow one another. Any other column whose cell in the first line is a
number is a score, and all its cells must be numbers; but not `total` and `best`, which rescoring writes. These and the
rest are fields of the hypotheses. There is no quoting, so no cell can hold a tab or the end of a line.

Where the chosen text was made of several hypotheses, it has no place in a table: `best` is 0 for all of them then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, InputError
from lmmix.fileio import PathLike, atomic_write, read_text_lines
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.json_text import to_json
from lmmix.nbest.formats.numbers import as_text, is_number, number
from lmmix.nbest.formats.output import raw_of, refuse_parts, scores_to_write
from lmmix.nbest.utterance import TOTAL, Raw, Rescored, Utterance

ID, TEXT, BEST = "id", "text", "best"
_REF = re.compile("ref([2-9]|[1-9][0-9]+)?")
Row = dict[str, str]


def recognises(path: Path, head: str) -> bool:
    """Whether the first line names the columns that must be there."""
    return {ID, TEXT} <= set(head.split("\t"))


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, one by one. Raises FormatError with the line."""
    lines = ((f"{path}:{place}", line) for place, line in read_text_lines(path) if line.strip(" "))
    where, head = next(lines, (f"{path}:1", ""))
    columns = _columns(head, where)
    scores: list[str] | None = None
    rows = ((where, line, _row(columns, line, where)) for where, line in lines)
    for name, group in groupby(rows, key=lambda entry: entry[2][ID]):
        places, raw, cells = zip(*group)
        if scores is None:
            scores = [name for name in _others(columns) if name not in (TOTAL, BEST) and is_number(cells[0][name])]
        yield Utterance(
            name,
            [row[TEXT] for row in cells],
            {name: [number(row[name], name, where) for row, where in zip(cells, places)] for name in scores},
            _references(cells, places),
            {},
            [_fields(row, scores, where) for row, where in zip(cells, places)],
            places[0],
            Raw("tsv", head, list(raw)),
        )


def _columns(head: str, where: str) -> list[str]:
    columns = head.split("\t")
    for name in (ID, TEXT):
        if name not in columns:
            raise FormatError(f"{where}: there is no column {name!r}; the first line must name the columns")
    for name in columns:
        if columns.count(name) > 1:
            raise FormatError(f"{where}: two columns are called {name!r}")
    return columns


def _others(columns: list[str]) -> list[str]:
    return [name for name in columns if name not in (ID, TEXT) and not _REF.fullmatch(name)]


def _row(columns: list[str], line: str, where: str) -> Row:
    cells = line.split("\t")
    if len(cells) != len(columns):
        raise FormatError(f"{where}: has {len(cells)} cells, and the header {len(columns)}")
    row = dict(zip(columns, cells))
    if not row[ID]:
        raise FormatError(f"{where}: the cell of the id is empty")
    return row


def _fields(row: Row, scores: list[str], where: str) -> dict[str, Any]:
    """What is no score; a total is a number, as in all formats."""
    fields: dict[str, Any] = {name: row[name] for name in _others(list(row)) if name not in scores}
    if is_number(fields.get(TOTAL, "")):
        fields[TOTAL] = number(fields[TOTAL], TOTAL, where)
    return fields


def _references(rows: tuple[Row, ...], places: tuple[str, ...]) -> tuple[str, ...]:
    """The references of the first row, which the others must have, too."""
    names = sorted(filter(_REF.fullmatch, rows[0]), key=lambda name: int(name.removeprefix("ref") or 1))
    for name in names:
        for row, where in zip(rows, places):
            if row[name] != rows[0][name]:
                raise FormatError(f"{where}: the {name!r} of {row[ID]!r} is not that of the hypotheses before it")
    return tuple(rows[0][name] for name in names)


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a line a hypothesis: the columns that were read, what was added, `total`, and `best`.

    `best` is 1 for the hypothesis that was chosen and 0 for all others; it is 0 for all where the chosen text
    was made of several. A score called `total` becomes ``total.1``. The first list says which columns there are;
    raises InputError for a list with others.
    """
    with atomic_write(path) as stream:
        columns: list[str] = []

        def write(rescored: Rescored) -> None:
            rows = _rows(rescored)
            if not columns:
                columns.extend(dict.fromkeys(name for row in rows for name in row))
                stream.write(_line(columns, rescored.utterance))
            _check_columns(rows, columns, rescored.utterance)
            for row in rows:
                stream.write(_line([row.get(name, "") for name in columns], rescored.utterance))

        yield write


def _check_columns(rows: list[Row], columns: list[str], utterance: Utterance) -> None:
    for row in rows:
        for name in row:
            if name not in columns:
                raise InputError(
                    f"utterance {utterance.id!r} has {name!r}, unlike the first list; all lines of a table have "
                    "the same columns: write another format, such as jsonl"
                )
    for name in filter(_REF.fullmatch, columns):
        if name not in rows[0]:
            raise InputError(
                f"utterance {utterance.id!r} has no reference {name!r}, unlike the first list; "
                "write another format, such as jsonl"
            )


def _line(cells: list[str], utterance: Utterance) -> bytes:
    for cell in cells:
        refuse_parts(cell, ("\t", "\n", "\r"), "a text", utterance, "tsv")
    return ("\t".join(cells) + "\n").encode()


def _rows(rescored: Rescored) -> list[Row]:
    utterance = rescored.utterance
    if not utterance.id:
        raise InputError("an id is empty, which tables cannot hold; write another format, such as jsonl")
    raw = raw_of(utterance, "tsv")
    scores = scores_to_write(rescored)
    if raw is not None:
        scores = {name: values for name, values in scores.items() if name not in utterance.scores}
    for name in scores:
        if name in (ID, TEXT, BEST) or _REF.fullmatch(name):
            raise InputError(f"the score {name!r} has the name of a column that means something else; rename it")
    refs = {f"ref{k if k > 1 else ''}": text for k, text in enumerate(utterance.refs, 1)}
    rows = []
    for i, text in enumerate(utterance.texts):
        if raw is None:
            row = {ID: utterance.id, TEXT: text, **refs}
            fields = utterance.hyp_fields[i] if utterance.hyp_fields else {}
            row |= {name: _cell(value) for name, value in fields.items() if name not in row and name not in scores}
        else:
            cells = zip(raw.head.split("\t"), raw.lines[i].split("\t"))
            row = {name: cell for name, cell in cells if name in refs or not _REF.fullmatch(name)} | refs
        row |= {name: as_text(values[i]) for name, values in scores.items()}
        if rescored.total is not None:
            row[TOTAL] = as_text(rescored.total[i])
        if rescored.text is not None:
            row[BEST] = str(int(i == rescored.best))
        rows.append(row)
    return rows


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value)
