"""n-best lists: hypotheses of many utterances as flat arrays, read from and written to JSON lines.

One line an utterance: ``{"id": …, "ref": …, "hyps": [{"text": …, "scores": {"name": number, …}}, …]}``; `ref` may
be left out, every hypothesis of a file has the same scores, higher is better. Other fields are kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lmmix.errors import FormatError, InputError
from lmmix.fileio import PathLike, atomic_write, parse_json, read_text_lines
from lmmix.metrics import words_of


@dataclass
class NbestLists:
    """n-best lists of U utterances with H hypotheses in all.

    Attributes
    ----------
    ids : list of U str
        Names of the utterances, all different.
    refs : list of U str or None
    offsets : (U + 1,) int64
        The hypotheses of utterance u are offsets[u] … offsets[u + 1], the recogniser's best first.
    texts : list of H str
    features : dict of name to (H,) float64
        The recogniser's scores and whatever has been added.
    records : list of U dict
        The lines as they were read.
    """

    ids: list[str]
    refs: list[str | None]
    offsets: np.ndarray
    texts: list[str]
    features: dict[str, np.ndarray]
    records: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def hypotheses(self, utterance: int) -> list[str]:
        """The texts of one list."""
        return self.texts[self.offsets[utterance] : self.offsets[utterance + 1]]

    def references(self) -> list[str]:
        """All references; raises InputError naming an utterance that has none."""
        for name, ref in zip(self.ids, self.refs):
            if ref is None:
                raise InputError(f"utterance {name!r} has no reference: put one into the list or give --ref FILE")
        return [ref for ref in self.refs if ref is not None]

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """(H, F) the features called `names`; raises InputError for one that is not there."""
        for name in names:
            if name not in self.features:
                raise InputError(f"the n-best list has no score {name!r}; it has {', '.join(self.features) or 'none'}")
        return np.stack([self.features[name] for name in names], axis=1)

    def best(self, total: np.ndarray) -> np.ndarray:
        """(U,) int64: the hypothesis with the highest of `total` (H,) in each list, the first of equals."""
        return np.array([lo + int(np.argmax(total[lo:hi])) for lo, hi in pairwise(self.offsets)], np.int64)


def read_nbest(path: PathLike) -> NbestLists:
    """Read JSON lines (see the module). Raises FormatError with the line, InputError."""
    lists = NbestLists([], [], np.zeros(1, np.int64), [], {}, [])
    lines: dict[str, int] = {}
    names: list[str] | None = None
    rows: list[list[float]] = []
    ends = [0]
    for number, line in read_text_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        record = _record(line, where)
        if record["id"] in lines:
            raise FormatError(f"{where}: the id {record['id']!r} stands already in line {lines[record['id']]}")
        lines[record["id"]] = number
        for rank, hypothesis in enumerate(record["hyps"], 1):
            scores = _scores(hypothesis, f"{where}: hypothesis {rank}")
            names = list(scores) if names is None else names
            if set(scores) != set(names):
                odd = sorted(set(scores) ^ set(names))[0]
                verb = "lacks" if odd in names else "has"
                raise FormatError(f"{where}: hypothesis {rank} {verb} the score {odd!r}, unlike those before it")
            rows.append([scores[name] for name in names])
            lists.texts.append(hypothesis["text"])
        ends.append(len(rows))
        lists.ids.append(record["id"])
        lists.refs.append(record.get("ref"))
        lists.records.append(record)
    if not lists.ids:
        raise InputError(f"{path}: there are no n-best lists")
    lists.offsets = np.array(ends, np.int64)
    values = np.array(rows, np.float64).reshape(len(rows), len(names or []))
    lists.features = {name: values[:, i].copy() for i, name in enumerate(names or [])}
    return lists


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = parse_json(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}:{error.colno}: not valid JSON: {error.msg}") from None
    if "\\ud" in line.lower():
        _refuse_half_characters(record, where)
    if not isinstance(record, dict) or not isinstance(record.get("id"), (str, int)) or isinstance(record["id"], bool):
        raise FormatError(f'{where}: not an object with an "id"')
    record["id"] = str(record["id"])
    if not isinstance(record.get("hyps"), list) or not record["hyps"]:
        raise FormatError(f"{where}: utterance {record['id']!r} has no hypotheses")
    if not isinstance(record.get("ref"), (str, type(None))):
        raise FormatError(f'{where}: the "ref" of utterance {record["id"]!r} is not a text')
    return record


def _refuse_half_characters(record: Any, where: str) -> None:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FormatError(f"{where}: a text holds half a surrogate pair, which is no character") from None


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


def add_references(lists: NbestLists, path: PathLike) -> None:
    """Take references from lines `id word word …`. Raises FormatError for an unknown or repeated id."""
    places = {name: u for u, name in enumerate(lists.ids)}
    seen: dict[str, int] = {}
    for number, line in read_text_lines(path):
        if not line.strip():
            continue
        name, *words = words_of(line)
        if name not in places:
            raise FormatError(f"{path}:{number}: a reference for {name!r}, which is not in the n-best list")
        if name in seen:
            raise FormatError(f"{path}:{number}: a second reference for {name!r} (the first is in line {seen[name]})")
        seen[name] = number
        lists.refs[places[name]] = " ".join(words)


def write_nbest(lists: NbestLists, total: np.ndarray, path: PathLike) -> None:
    """Write the lists in their order, each hypothesis with all features and its `total`, each list with its best.

    `total` is (H,). To each line come `best`, the rank from 0 of the hypothesis with the highest total, and
    `text`, that hypothesis.
    """
    best = lists.best(total)
    with atomic_write(path) as stream:
        for u, record in enumerate(lists.records):
            lo = int(lists.offsets[u])
            hyps = []
            for i, hypothesis in enumerate(record["hyps"], lo):
                scores = {name: _rounded(values[i]) for name, values in lists.features.items()}
                scores |= hypothesis.get("scores", {})
                hyps.append({**hypothesis, "scores": scores, "total": _rounded(total[i])})
            chosen = {"best": int(best[u]) - lo, "text": lists.texts[best[u]]}
            line = {**record, **chosen, "hyps": hyps}
            stream.write((json.dumps(line, ensure_ascii=False) + "\n").encode())


def write_best(lists: NbestLists, total: np.ndarray, path: PathLike) -> None:
    """Write the best hypothesis of each list as a line `id word word …`."""
    with atomic_write(path) as stream:
        for name, i in zip(lists.ids, lists.best(total)):
            stream.write((" ".join([name, *words_of(lists.texts[i])]) + "\n").encode())


def _rounded(value: float) -> float:
    return round(float(value), 6)
