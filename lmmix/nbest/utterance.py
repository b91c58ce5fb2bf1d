"""One n-best list, as all file formats give it, and what rescoring made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lmmix.nbest.formats.numbers import is_finite_number

TOTAL = "total"
"""What the weighted sum of a hypothesis is called in files, and among its fields where it comes from a file."""


@dataclass(frozen=True)
class Raw:
    """A list as its file has it, for the writer of the same format.

    Attributes
    ----------
    form : str
        Name of the format.
    head : str
        What stands above the hypotheses.
    lines : list of n str
        A line for each hypothesis.
    """

    form: str
    head: str
    lines: list[str]


@dataclass
class Utterance:
    """The hypotheses for one utterance, or one source sentence of a translator.

    Attributes
    ----------
    id : str
    texts : list of n str
        The recogniser's best first. The empty text is a hypothesis, too.
    scores : dict of name to list of n float
        Higher is better.
    refs : tuple of str
        References; none if they are not known, several for translations.
    fields : dict
        What else the file says of the utterance; ready for JSON.
    hyp_fields : list of n dict
        What else it says of each hypothesis; empty if it says nothing.
    where : str
        ``file:line`` for messages.
    raw : Raw, optional
        The lines that hold all this; whoever changes texts or scores must drop them.
    """

    id: str
    texts: list[str]
    scores: dict[str, list[float]] = field(default_factory=dict)
    refs: tuple[str, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    hyp_fields: list[dict[str, Any]] = field(default_factory=list)
    where: str = ""
    raw: Raw | None = None


@dataclass(frozen=True)
class Rescored:
    """What is written of one utterance.

    Attributes
    ----------
    utterance : Utterance
        As it was read.
    added : dict of name to (n,) float64
        Features that the list did not have.
    total : (n,) float64 or None
        Weighted sum of each hypothesis; None if lists are only written in another format.
    best : int or None
        The hypothesis that was chosen, from 0; None if none was, or if the text was made from several.
    text : str or None
        The text that was chosen; None if none was.
    """

    utterance: Utterance
    added: dict[str, np.ndarray] = field(default_factory=dict)
    total: np.ndarray | None = None
    best: int | None = None
    text: str | None = None

    def scores(self) -> dict[str, Sequence[float]]:
        """The scores that the list came with, and the added features."""
        return {**self.utterance.scores, **{name: values.tolist() for name, values in self.added.items()}}

    def totals(self) -> list[float] | None:
        """The sum of each hypothesis, or else the numbers called TOTAL that all came with; None if they did not."""
        if self.total is not None:
            return [float(value) for value in self.total]
        given: list[Any] = [fields.get(TOTAL) for fields in self.utterance.hyp_fields]
        numbers = [value for value in given if is_finite_number(value)]
        return [*map(float, numbers)] if numbers and len(numbers) == len(given) else None
