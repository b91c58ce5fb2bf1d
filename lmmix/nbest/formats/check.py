"""What must hold of lists in any format: ids differ, all hypotheses have the same scores, numbers are finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from lmmix.errors import FormatError, InputError
from lmmix.fileio import PathLike
from lmmix.nbest.utterance import Utterance
from lmmix.vocab import BOS, EOS, SPECIALS, words_of

MARKS = SPECIALS[BOS : EOS + 1]


def checked(utterances: Iterable[Utterance], path: PathLike) -> Iterator[Utterance]:
    """The same lists, each looked at. Raises FormatError with file and line, InputError if there is none."""
    places: dict[str, str] = {}
    names: list[str] | None = None
    for utterance in utterances:
        if utterance.id in places:
            raise FormatError(f"{utterance.where}: the id {utterance.id!r} stands already at {places[utterance.id]}")
        places[utterance.id] = utterance.where
        if not utterance.texts:
            raise FormatError(f"{utterance.where}: utterance {utterance.id!r} has no hypotheses")
        names = list(utterance.scores) if names is None else names
        _check_scores(utterance, names)
        _check_marks(utterance)
        yield utterance
    if not places:
        raise InputError(f"{path}: there are no n-best lists")


def _check_scores(utterance: Utterance, names: list[str]) -> None:
    where = f"{utterance.where}: utterance {utterance.id!r}"
    if utterance.scores.keys() != set(names):
        odd = sorted(utterance.scores.keys() ^ set(names))[0]
        verb = "lacks" if odd in names else "has"
        raise FormatError(f"{where} {verb} the score {odd!r}, unlike those before it")
    for name, values in utterance.scores.items():
        if len(values) != len(utterance.texts):
            raise FormatError(
                f"{where} has {len(values)} numbers for the score {name!r}, and {len(utterance.texts)} hypotheses"
            )
        if not all(map(math.isfinite, values)):
            bad = next(value for value in values if not math.isfinite(value))
            raise FormatError(f"{where}: the score {name!r} is {bad}, not a finite number")


def _check_marks(utterance: Utterance) -> None:
    for text in utterance.texts:
        for mark in MARKS:
            if mark in text and mark in words_of(text):
                raise FormatError(
                    f"{utterance.where}: a hypothesis of utterance {utterance.id!r} holds {mark}; "
                    "lmmix adds sentence ends itself"
                )
