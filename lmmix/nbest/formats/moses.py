"""Lists of Moses: ``id ||| text ||| name= value value … ||| total [||| alignment …]``, a line a hypothesis.

Names of features end in ``=``, in old lists in ``:``. A feature with one value is the score `name`, one with several is
`name.1`, `name.2`, …; the last number is the score `total`. Lines of one id follow one another. Blanks around a
text are no part of it.

The features that count are those that all hypotheses of the first list have. Others are sparse: they are kept, but do
not count. A feature of one value that a later hypothesis lacks is 0 there, as sparse features are in Moses; one of
several values must stand in all hypotheses.

The chosen text has no place in such a file: only the totals show it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from lmmix.errors import FormatError, InputError
from lmmix.fileio import PathLike, atomic_write, read_text_lines
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.numbers import as_text, number
from lmmix.nbest.formats.output import raw_of, refuse_parts, scores_to_write
from lmmix.nbest.utterance import TOTAL, Raw, Rescored, Utterance
from lmmix.vocab import SPACE, words_of

logger = logging.getLogger("lmmix")

BAR = "|||"
"""What parts the fields of a line."""

Features = dict[str, list[float]]


def recognises(path: Path, head: str) -> bool:
    """Whether the first line has four fields."""
    return head.count(BAR) >= 3


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, one by one. Raises FormatError with the line."""
    widths: dict[str, int] | None = None
    warned: set[str] = set()
    lines = ((f"{path}:{place}", line) for place, line in read_text_lines(path) if line.strip())
    parted = ((where, line, _fields(line, where)) for where, line in lines)
    for name, group in groupby(parted, key=lambda entry: entry[2][0]):
        places, raw, fields = zip(*group)
        features = [_features(field[2], where) for field, where in zip(fields, places)]
        widths = _common_widths(features, places[0]) if widths is None else widths
        scores, sparse = _scores(features, widths, places, warned)
        scores[TOTAL] = [number(field[3], TOTAL, where) for field, where in zip(fields, places)]
        hyp_fields = [_hyp_fields(field, rest) for field, rest in zip(fields, sparse)]
        texts = [field[1] for field in fields]
        yield Utterance(name, texts, scores, (), {}, hyp_fields, places[0], Raw("moses", "", list(raw)))


def _fields(line: str, where: str) -> list[str]:
    fields = [field.strip(" ") for field in line.split(BAR)]
    if len(fields) < 4:
        raise FormatError(f"{where}: has {len(fields)} fields; a line must be 'id ||| text ||| features ||| total'")
    if not fields[0]:
        raise FormatError(f"{where}: there is no id in front of the first {BAR}")
    return fields


def _features(text: str, where: str) -> Features:
    features: Features = {}
    name = ""
    for token in words_of(text):
        if token[-1] in "=:" and len(token) > 1:
            name = token[:-1]
            if name in features:
                raise FormatError(f"{where}: the feature {name!r} stands there twice")
            features[name] = []
        elif not name:
            raise FormatError(f"{where}: the features begin with {token!r:.40}, not with a name such as lm=")
        else:
            features[name].append(number(token, name, where))
    for name, values in features.items():
        if not values:
            raise FormatError(f"{where}: the feature {name!r} has no value")
    return features


def _common_widths(features: list[Features], where: str) -> dict[str, int]:
    """The features that all hypotheses have, with the number of values that the first one has of each."""
    widths = {name: len(values) for name, values in features[0].items() if all(name in other for other in features)}
    names = [name for feature, width in widths.items() for name in _score_names(feature, width)]
    for name in (*names, TOTAL):
        if (*names, TOTAL).count(name) > 1:
            raise FormatError(f"{where}: two scores are called {name!r}; give one of them another name")
    return widths


def _check_widths(features: Features, widths: dict[str, int], where: str) -> None:
    for name in {**widths, **features}:
        expected, found = widths.get(name, 1), len(features.get(name, ()))
        if found != expected and max(found, expected) > 1:
            raise FormatError(
                f"{where}: the feature {name!r} has {found} values and not {expected}; a feature of several values "
                "must stand in all hypotheses, each time with as many"
            )


def _score_names(feature: str, width: int) -> list[str]:
    return [feature] if width == 1 else [f"{feature}.{k}" for k in range(1, width + 1)]


def _scores(
    features: list[Features], widths: dict[str, int], places: tuple[str, ...], warned: set[str]
) -> tuple[dict[str, list[float]], list[Features]]:
    """The scores of a list, and the features of each hypothesis that do not count."""
    for given, where in zip(features, places):
        _check_widths(given, widths, where)
    scores: dict[str, list[float]] = {}
    for feature, width in widths.items():
        rows = [given.get(feature, [0.0]) for given in features]
        scores |= {name: list(values) for name, values in zip(_score_names(feature, width), zip(*rows))}
    sparse = [{name: values for name, values in given.items() if name not in widths} for given in features]
    for given, rest, where in zip(features, sparse, places):
        if rest and "sparse" not in warned:
            warned.add("sparse")
            logger.warning(
                f"{where}: the feature {next(iter(rest))!r} is not in all hypotheses of the first list: such features "
                "are kept, but do not count"
            )
        if len(given) - len(rest) < len(widths) and "missing" not in warned:
            warned.add("missing")
            missing = next(name for name in widths if name not in given)
            logger.warning(f"{where}: the feature {missing!r} is missing; it counts as 0 where it is")
    return scores, sparse


def _hyp_fields(fields: list[str], sparse: Features) -> dict[str, Any]:
    found: dict[str, Any] = {"sparse": sparse} if sparse else {}
    return found | ({"alignment": fields[4:]} if len(fields) > 4 else {})


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a line a hypothesis: what was read, then new features; the total is the new one.

    Where there is a new total, the one that the list came with becomes the feature ``total.1``. A list without total
    gets 0.
    """
    with atomic_write(path) as stream:

        def write(rescored: Rescored) -> None:
            for line in _lines(rescored):
                stream.write((line + "\n").encode())

        yield write


def _lines(rescored: Rescored) -> list[str]:
    utterance = rescored.utterance
    raw = raw_of(utterance, "moses")
    new = scores_to_write(rescored, total_is_score=True)
    total = new.pop(TOTAL, None) or rescored.totals()
    if raw is not None:
        new = {name: values for name, values in new.items() if name not in utterance.scores}
        total = None if rescored.total is None else total
        if not new and total is None:
            return raw.lines
    for name in new:
        if not name or SPACE.search(name) or BAR in name or "=" in name:
            raise InputError(
                f"the score {name!r} cannot be a feature of Moses's lists, whose names hold no blank and no =; "
                "rename it, or write another format, such as jsonl"
            )
    lines = raw.lines if raw is not None else [_fresh_line(utterance, i) for i in range(len(utterance.texts))]
    added = [[(name, values[i]) for name, values in new.items()] for i in range(len(lines))]
    return [_with(line, added[i], None if total is None else total[i]) for i, line in enumerate(lines)]


def _fresh_line(utterance: Utterance, i: int) -> str:
    """A line with text and fields of hypothesis `i` of a list that came in another format, without scores."""
    text, name = utterance.texts[i], utterance.id
    refuse_parts(text, (BAR, "\n"), "a hypothesis", utterance, "moses")
    refuse_parts(name, (BAR, "\n"), "the id", utterance, "moses")
    if name != name.strip(" ") or not name:
        raise InputError(f"{name!r} cannot be an id in Moses's lists: it is empty, or a blank begins or ends it")
    fields = utterance.hyp_fields[i] if utterance.hyp_fields else {}
    sparse = [f"{key}= {' '.join(map(as_text, values))}" for key, values in fields.get("sparse", {}).items()]
    behind = [f" {BAR} {field}" for field in fields.get("alignment", [])]
    return f"{name} {BAR} {text} {BAR} {' '.join(sparse)} {BAR} 0{''.join(behind)}"


def _with(line: str, added: list[tuple[str, float]], total: float | None) -> str:
    """The line with more features, in the syntax of those that it has, and another total."""
    fields = line.split(BAR)
    old = any(token.endswith(":") for token in words_of(fields[2])) and "=" not in fields[2]
    features = [f"{name}{':' if old else '='} {as_text(value)}" for name, value in added]
    fields[2] = f" {' '.join([fields[2].strip(' '), *features]).strip(' ')} "
    if total is not None:
        fields[3] = f" {as_text(total)}{' ' if len(fields) > 4 else ''}"
    return BAR.join(fields)
