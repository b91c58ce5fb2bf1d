"""What formats that hold lines of text have in common when they write."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lmmix.errors import InputError
from lmmix.nbest.utterance import TOTAL, Raw, Rescored, Utterance


def scores_to_write(rescored: Rescored, total_is_score: bool = False) -> dict[str, Sequence[float]]:
    """All scores of a list and what was added, by the names that they get in the file.

    This is for formats in which names of scores stand beside `total`, the weighted sum, and cannot be told apart from
    it. A score that is called so, as in Moses's lists, becomes ``total.1``, or ``total.2`` if there is a ``total.1``,
    and so on; if `total_is_score`, only where there is a new sum. Elsewhere all scores keep their names.
    """
    scores = rescored.scores()
    if TOTAL in scores and (rescored.total is not None or not total_is_score):
        others = (f"{TOTAL}.{k}" for k in itertools.count(1))
        scores[next(name for name in others if name not in scores)] = scores.pop(TOTAL)
    return scores


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
