"""Choosing among ways of mixing by cross-validation over the sentences of the held-out text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lmmix.mix.held_out import HeldOut
from lmmix.mix.mixture import Mixture

FOLDS = 5

SURE = 3.0
"""A less simple way must be better by so many standard errors of the difference.

Two are too few: several ways are tried, sentences of one text are alike, and what is better on twenty of them may be
much worse elsewhere.
"""


@dataclass(frozen=True)
class Choice:
    """The chosen way, with a table of all: mean ln p of sentences that were not used, and how sure the difference is.

    Attributes
    ----------
    name : str
    table : list of dict
        `method`, `ppl` (cross-validated), `gain` (nats per event over the first way) and its standard error `error`.
    """

    name: str
    table: list[dict[str, float | str]]


def choose(ways: Mapping[str, Callable[[HeldOut], Mixture]], held: HeldOut, folds: int = FOLDS) -> Choice:
    """The way that predicts best what it was not fitted to; an earlier, simpler one unless another is surely better.

    The text is cut into `folds` stretches of sentences; each way is fitted on all but one and measured on that. The
    standard error is that of the mean difference of sentences, which are taken as independent.
    """
    sentences = held.corpus.n_sentences
    folds = min(folds, sentences)
    if folds < 2:
        return Choice(next(iter(ways)), [])
    fold = np.arange(sentences) * folds // sentences
    events = np.bincount(held.corpus.sentence_of()[held.kept], minlength=sentences)
    sums = {name: np.zeros(sentences) for name in ways}
    for number in range(folds):
        rest, part = held.part(fold != number), held.part(fold == number)
        if not rest.events:
            continue
        for name, fit in ways.items():
            logp = np.zeros(len(part.logp))
            logp[part.kept] = fit(rest).combine(part.corpus, part.logp)[part.kept]
            sums[name][fold == number] = np.add.reduceat(logp, part.corpus.offsets[:-1])
    return _choice(sums, events)


def _choice(sums: dict[str, np.ndarray], events: np.ndarray) -> Choice:
    """The choice, given ln p of each sentence (S,) under each way and its events (S,)."""
    total = events.sum()
    names = list(sums)
    best, first = names[0], sums[names[0]]
    table: list[dict[str, float | str]] = []
    for name in names:
        ppl = float(np.exp(-sums[name].sum() / total))
        gain, error = _difference(sums[name] - first, total)
        table.append({"method": name, "ppl": ppl, "gain": gain, "error": error})
        more, doubt = _difference(sums[name] - sums[best], total)
        if more > SURE * doubt:
            best = name
    return Choice(best, table)


def _difference(difference: np.ndarray, total: int) -> tuple[float, float]:
    """(mean over all events, its standard error) of differences (S,) of sentences."""
    return float(difference.sum() / total), float(difference.std() * np.sqrt(len(difference)) / total)
