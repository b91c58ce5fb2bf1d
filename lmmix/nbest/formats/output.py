"""What formats that hold lines of text have in common when they write."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lmmix.errors import InputError
from lmmix.nbest.utterance import Raw, Rescored, Utterance

TOTAL = "total"
"""The score that rescoring puts into a list."""


def scores_to_write(rescored: Rescored) -> dict[str, Sequence[float]]:
    """All scores of a list by the names that they get in the file.

    They are those that the list came with, what was added, and the new `total`. Where the list came with a `total`
    already, the old one is called ``total.1``, or ``total.2`` if there is a ``total.1``, and so on.
    """
    scores: dict[str, Sequence[float]] = dict(rescored.utterance.scores)
    scores |= {name: values.tolist() for name, values in rescored.added.items()}
    if rescored.total is not None:
        if TOTAL in scores:
            older = (f"{TOTAL}.{k}" for k in itertools.count(1))
            scores[next(name for name in older if name not in scores)] = scores[TOTAL]
        scores[TOTAL] = rescored.total.tolist()
    return scores


def scores_to_add(rescored: Rescored) -> dict[str, Sequence[float]]:
    """Those of `scores_to_write` that lines of the list, kept as they are, do not hold under this name."""
    own = rescored.utterance.scores
    return {name: values for name, values in scores_to_write(rescored).items() if values is not own.get(name)}


def raw_of(utterance: Utterance, form: str) -> Raw | None:
    """The lines as they were read, if the list came in the format `form`."""
    return utterance.raw if utterance.raw is not None and utterance.raw.form == form else None


def refuse_parts(text: str, parts: Sequence[str], what: str, utterance: Utterance, form: str) -> None:
    """Raise InputError if a text holds one of `parts`, which mean something else in a file of the format `form`."""
    for part in parts:
        if part in text:
            raise InputError(
                f"{what} of utterance {utterance.id!r} holds {part!r}, which the format {form} cannot hold: "
                f"{text!r:.60}; write another format, such as jsonl"
            )
