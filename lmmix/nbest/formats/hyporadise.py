"""HyPoradise's n-best lists: JSON objects with ``input`` and ``output``, in an array or one after the other.

``input`` has the hypotheses, the best first, ``output`` the reference (or several), which may be missing. A list of
numbers as long as ``input`` is a score, called like the field (``am_score``); so is each list in an object ``scores``.
The id is ``id``, a text or an integer, or else the number of the object from 0. All else is kept.

What is written is an array, an object a line: what was read, new features in ``scores``, lists of numbers called
``total``, the rank ``best`` from 0 and the ``text`` that was chosen. What other formats say of hypotheses is kept as a
list of objects, ``hyp_fields``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lmmix.errors import FormatError
from lmmix.fileio import PathLike, atomic_write, decode_utf8, read_line_chunks
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.json_text import may_hold_halves, refuse_half_characters, to_json
from lmmix.nbest.formats.numbers import is_finite_number
from lmmix.nbest.utterance import TOTAL, Rescored, Utterance

OWN = ("id", "input", "output", "scores", TOTAL, "hyp_fields")
"""Fields that mean something; `best` and `text` are kept like others, but are never scores."""

_BLANK = re.compile(r"[ \t\r\n]*")
_ARRAY = re.compile(r"\s*\[\s*(\{|\]|$)")


def recognises(path: Path, head: str) -> bool:
    """Whether the first line begins an array of objects, or is an object with an input."""
    return _ARRAY.match(head) is not None or (head.lstrip().startswith("{") and '"input"' in head)


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, an object each; the whole text is in memory. Raises FormatError with the line."""
    for place, (record, where) in enumerate(_objects(_Text(path))):
        yield _utterance(record, place, where)


class _Text:
    """The text of a file, and how far it has been read."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        parts: list[str] = []
        line = 1
        for chunk in read_line_chunks(path):
            parts.append(decode_utf8(chunk, path, line))
            line += chunk.count(b"\n")
        self.text = "".join(parts)
        self._has_halves = may_hold_halves(self.text)
        self.at = 0
        self._looked_at, self._line, self._line_start = 0, 1, 0

    def where(self) -> str:
        """``file:line:column`` of what comes next; the whole array may be one line."""
        ends = self.text.count("\n", self._looked_at, self.at)
        if ends:
            self._line += ends
            self._line_start = self.text.rfind("\n", 0, self.at) + 1
        self._looked_at = self.at
        return f"{self.path}:{self._line}:{self.at - self._line_start + 1}"

    def sign(self) -> str:
        """The next character that is not blank; empty at the end."""
        self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]
        return self.text[self.at : self.at + 1]

    def value(self) -> Any:
        """The JSON value that comes next. Raises FormatError."""
        where = self.where()
        try:
            value, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise FormatError(f"{self.path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
        except (RecursionError, ValueError):
            raise FormatError(f"{where}: not valid JSON: nested too deep, or a number too long") from None
        if self._has_halves:
            refuse_half_characters(value, where)
        return value


def _objects(text: _Text) -> Iterator[tuple[Any, str]]:
    """(value, where it begins) of what stands in an array, or one after the other."""
    array = text.sign() == "["
    if array:
        text.at += 1
    closing = "]" if array else ""
    while text.sign() != closing:
        where = text.where()
        yield text.value(), where
        if array and text.sign() == ",":
            text.at += 1
        elif array and text.sign() != closing:
            raise FormatError(f"{text.where()}: not valid JSON: the array goes on without a comma, or lacks its end")
    text.at += len(closing)
    if text.sign():
        raise FormatError(f"{text.where()}: not valid JSON: something stands behind the array")


def _utterance(record: Any, place: int, where: str) -> Utterance:
    if not isinstance(record, dict) or not _are_texts(record.get("input")):
        raise FormatError(f'{where}: not an object with an "input", a list of texts')
    output = record.get("output")
    refs = [] if output is None else output if isinstance(output, list) else [output]
    if not _are_texts(refs):
        raise FormatError(f'{where}: the "output" is not a text, or a list of texts')
    name = place if record.get("id") is None else record["id"]
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise FormatError(f'{where}: the "id" is {name!r:.40}, not a text or an integer')
    scores = _scores(record, where)
    fields = {key: value for key, value in record.items() if key not in OWN and key not in scores}
    if not isinstance(name, str) and record.get("id") is not None:
        fields["id"] = name
    return Utterance(str(name), record["input"], scores, tuple(refs), fields, _hyp_fields(record, where), where)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _scores(record: dict[str, Any], where: str) -> dict[str, list[float]]:
    count = len(record["input"])
    scores = {}
    for name, value in record.items():
        if name not in OWN and _looks_like_score(value, count):
            scores[name] = _numbers(name, value, count, where)
    more = record.get("scores", {})
    if not isinstance(more, dict):
        raise FormatError(f'{where}: "scores" is not an object of names and lists of numbers')
    for name, value in more.items():
        if name in scores:
            raise FormatError(f'{where}: the score {name!r} stands also in "scores"; rename one of them')
        scores[name] = _numbers(name, value, count, where)
    return scores


def _looks_like_score(value: Any, count: int) -> bool:
    """A list of numbers, of which some may be null; these are refused later."""
    if not isinstance(value, list) or len(value) != count:
        return False
    numbers = [one for one in value if isinstance(one, (int, float)) and not isinstance(one, bool)]
    return bool(numbers) and len(numbers) + value.count(None) == count


def _numbers(name: str, value: Any, count: int, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise FormatError(f"{where}: the score {name!r} is not a list of {count} numbers, one for each hypothesis")
    for rank, one in enumerate(value, 1):
        if not is_finite_number(one):
            raise FormatError(f"{where}: the score {name!r} of hypothesis {rank} is {one!r:.40}, not a finite number")
    return value


def _hyp_fields(record: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """What is said of each hypothesis, its total among it; empty if nothing is."""
    count = len(record["input"])
    kept = record.get("hyp_fields", [{}] * count)
    if not isinstance(kept, list) or len(kept) != count or not all(isinstance(one, dict) for one in kept):
        raise FormatError(f'{where}: "hyp_fields" is not a list of {count} objects, one for each hypothesis')
    if TOTAL in record:
        totals = _numbers(TOTAL, record[TOTAL], count, where)
        kept = [{**fields, TOTAL: total} for fields, total in zip(kept, totals)]
    return kept if any(kept) else []


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes an array with an object a line."""
    with atomic_write(path) as stream:
        start = "[\n"

        def write(rescored: Rescored) -> None:
            nonlocal start
            _write(stream, start, rescored)
            start = ",\n"

        yield write
        stream.write(b"[]\n" if start == "[\n" else b"\n]\n")


def _write(stream: BinaryIO, start: str, rescored: Rescored) -> None:
    stream.write((start + to_json(_object(rescored))).encode())


def _object(rescored: Rescored) -> dict[str, Any]:
    utterance = rescored.utterance
    kept = {name: value for name, value in utterance.fields.items() if name == "id" or name not in OWN}
    written: dict[str, Any] = {"id": utterance.id, **kept, "input": utterance.texts}
    if utterance.refs:
        written["output"] = utterance.refs[0] if len(utterance.refs) == 1 else list(utterance.refs)
    inside: dict[str, list[float]] = {}
    for name, values in utterance.scores.items():
        # Elsewhere than in `scores` a name may mean something else already.
        place = inside if name in written or name in (*OWN, "best", "text") else written
        place[name] = values
    inside |= {name: values.tolist() for name, values in rescored.added.items()}
    totals = rescored.totals()
    without = (TOTAL,) if totals is not None else ()
    hyp_fields = [{k: v for k, v in fields.items() if k not in without} for fields in utterance.hyp_fields]
    parts = {"scores": inside, TOTAL: totals, "hyp_fields": hyp_fields if any(hyp_fields) else None}
    written |= {name: part for name, part in parts.items() if part}
    if rescored.text is not None:
        written |= {"best": rescored.best, "text": rescored.text}
    return written
