"""lmmix's own lists: JSON lines.

One line an utterance: ``{"id": …, "ref": …, "hyps": [{"text": …, "scores": {"name": number, …}}, …]}``. `ref` may be
left out, or be a list of several references. Other fields are kept, and so is an id that is a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError
from lmmix.fileio import PathLike, atomic_write, parse_json, read_text_lines
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.utterance import Rescored, Utterance

OWN = ("id", "ref", "hyps")
"""Fields of an utterance that mean something; so do `text` and `scores` of a hypothesis."""


def recognises(path: Path, head: str) -> bool:
    """Whether the first line begins an object with hypotheses."""
    return head.lstrip().startswith("{") and '"hyps"' in head


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, a line each. Raises FormatError with the line."""
    for number, line in read_text_lines(path):
        if line.strip():
            where = f"{path}:{number}"
            yield _utterance(_record(line, where), where)


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = parse_json(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}:{error.colno}: not valid JSON: {error.msg}") from None
    if "\\ud" in line.lower():
        refuse_half_characters(record, where)
    if not isinstance(record, dict) or not isinstance(record.get("id"), (str, int)) or isinstance(record["id"], bool):
        raise FormatError(f'{where}: not an object with an "id"')
    if not isinstance(record.get("hyps"), list):
        raise FormatError(f"{where}: utterance {record['id']!r} has no hypotheses")
    return record


def refuse_half_characters(record: Any, where: str) -> None:
    """Raise FormatError if a text in a value read from JSON is not Unicode."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FormatError(f"{where}: a text holds half a surrogate pair, which is no character") from None


def _utterance(record: dict[str, Any], where: str) -> Utterance:
    texts, hyp_fields = [], []
    scores: dict[str, list[float]] = {}
    for rank, hypothesis in enumerate(record["hyps"], 1):
        given = _scores(hypothesis, f"{where}: hypothesis {rank}")
        if rank == 1:
            scores = {name: [] for name in given}
        if given.keys() != scores.keys():
            odd = sorted(given.keys() ^ scores.keys())[0]
            verb = "lacks" if odd in scores else "has"
            raise FormatError(f"{where}: hypothesis {rank} {verb} the score {odd!r}, unlike those before it")
        for name, value in given.items():
            scores[name].append(float(value))
        texts.append(hypothesis["text"])
        hyp_fields.append({name: value for name, value in hypothesis.items() if name not in ("text", "scores")})
    fields = {name: value for name, value in record.items() if name not in OWN}
    if not isinstance(record["id"], str):
        fields["id"] = record["id"]
    return Utterance(str(record["id"]), texts, scores, _references(record, where), fields, hyp_fields, where)


def _references(record: dict[str, Any], where: str) -> tuple[str, ...]:
    ref = record.get("ref")
    refs = [] if ref is None else ref if isinstance(ref, list) else [ref]
    if not all(isinstance(one, str) for one in refs):
        raise FormatError(f'{where}: the "ref" of utterance {record["id"]!r} is not a text, or a list of texts')
    return tuple(refs)


def _scores(hypothesis: Any, where: str) -> dict[str, float]:
    if not isinstance(hypothesis, dict) or not isinstance(hypothesis.get("text"), str):
        raise FormatError(f'{where} has no "text"')
    scores = hypothesis.get("scores", {})
    if not isinstance(scores, dict):
        raise FormatError(f'{where}: "scores" is not an object of names and numbers')
    for name, value in scores.items():
        if not is_finite_number(value):
            raise FormatError(f"{where}: the score {name!r} is {value!r:.40}, not a finite number")
    return scores


def is_finite_number(value: Any) -> bool:
    """Whether a value read from JSON is a number that fits a float64."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a line a list: what was read, each hypothesis with all scores and its `total`.

    To each list come `best`, the rank from 0 of the hypothesis that was chosen, and `text`, the text that was.
    """
    with atomic_write(path) as stream:
        yield lambda rescored: _write(stream, rescored)


def _write(stream: Any, rescored: Rescored) -> None:
    line = json.dumps(_line(rescored), ensure_ascii=False, allow_nan=False)
    stream.write((line + "\n").encode())


def _line(rescored: Rescored) -> dict[str, Any]:
    utterance = rescored.utterance
    hyps = []
    for i, text in enumerate(utterance.texts):
        scores = {name: values[i] for name, values in utterance.scores.items()}
        scores |= {name: _rounded(values[i]) for name, values in rescored.added.items()}
        hypothesis: dict[str, Any] = {"text": text, **({"scores": scores} if scores else {})}
        hypothesis |= utterance.hyp_fields[i] if utterance.hyp_fields else {}
        if rescored.total is not None:
            hypothesis["total"] = _rounded(rescored.total[i])
        hyps.append(hypothesis)
    refs = utterance.refs
    line = {"id": utterance.id, **utterance.fields}
    if refs:
        line["ref"] = refs[0] if len(refs) == 1 else list(refs)
    line["hyps"] = hyps
    if rescored.text is not None:
        line |= {"best": rescored.best, "text": rescored.text}
    return line


def _rounded(value: float) -> float:
    return round(float(value), 6)
