"""lmmix's own lists: JSON lines.

One line an utterance: ``{"id": …, "ref": …, "hyps": [{"text": …, "scores": {"name": number, …}}, …]}``. `ref` may be
left out, or be a list of several references. Other fields are kept, and so is an id that is a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError
from lmmix.fileio import PathLike, atomic_write, read_text_lines
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.json_text import from_json, to_json
from lmmix.nbest.formats.numbers import is_finite_number
from lmmix.nbest.utterance import TOTAL, Rescored, Utterance

OWN = ("id", "ref", "hyps")
"""Fields of an utterance that mean something."""

HYP_OWN = ("text", "scores")
"""Those of a hypothesis."""


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
    record = from_json(line, where)
    if not isinstance(record, dict) or not isinstance(record.get("id"), (str, int)) or isinstance(record["id"], bool):
        raise FormatError(f'{where}: not an object with an "id"')
    if not isinstance(record.get("hyps"), list):
        raise FormatError(f"{where}: utterance {record['id']!r} has no hypotheses")
    return record


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
            scores[name].append(value)
        texts.append(hypothesis["text"])
        hyp_fields.append({name: value for name, value in hypothesis.items() if name not in HYP_OWN})
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


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a line a list: what was read, each hypothesis with all scores and its `total`.

    To each list come `best`, the rank from 0 of the hypothesis that was chosen, and `text`, the text that was.
    """
    with atomic_write(path) as stream:

        def write(rescored: Rescored) -> None:
            stream.write((to_json(_line(rescored)) + "\n").encode())

        yield write


def _line(rescored: Rescored) -> dict[str, Any]:
    utterance = rescored.utterance
    hyps = []
    for i, text in enumerate(utterance.texts):
        scores = {name: values[i] for name, values in utterance.scores.items()}
        scores |= {name: float(values[i]) for name, values in rescored.added.items()}
        hypothesis: dict[str, Any] = {"text": text, **({"scores": scores} if scores else {})}
        fields = utterance.hyp_fields[i] if utterance.hyp_fields else {}
        hypothesis |= {name: value for name, value in fields.items() if name not in HYP_OWN}
        if rescored.total is not None:
            hypothesis[TOTAL] = float(rescored.total[i])
        hyps.append(hypothesis)
    refs = utterance.refs
    kept = {name: value for name, value in utterance.fields.items() if name == "id" or name not in OWN}
    line: dict[str, Any] = {"id": utterance.id, **kept}
    if refs:
        line["ref"] = refs[0] if len(refs) == 1 else list(refs)
    line["hyps"] = hyps
    if rescored.text is not None:
        line |= {"best": rescored.best, "text": rescored.text}
    return line
