"""Models of pieces, asked at chosen places of a text: their states there, and the probability of a set of pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel, State, remembers, taken

SENTENCES = 256
"""Sentences that a model reads side by side."""

CELLS = 1 << 22
"""Probabilities held at a time."""


def block_rows(model: LanguageModel) -> int:
    """How many distributions of a model to hold at a time."""
    return max(16, CELLS // len(model.vocab))


def log_masses(model: LanguageModel, state: State, sets: np.ndarray, which: np.ndarray) -> np.ndarray:
    """(n,) ln of the probability that the next event of each history is in its set, ``sets[which[i]]``.

    `sets` is (K, V) bool, `which` (n,) says which of them each history has.
    """
    masses = np.empty(len(which))
    step = block_rows(model)
    for start in range(0, len(which), step):
        rows = np.arange(start, min(start + step, len(which)))
        part = state if len(rows) == len(which) else taken(model, state, rows)
        masses[rows] = (model.distribution(part) @ sets.T.astype(np.float64))[np.arange(len(rows)), which[rows]]
    with np.errstate(divide="ignore"):
        return np.log(masses)


def score_with_mass(
    model: Any, corpus: Corpus, sets: np.ndarray, which: np.ndarray, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(T,) ln p of each event, and (T,) ln of the probability that the event were in a set of events.

    The set at event t is ``sets[which[t]]``, `sets` being (K, V) bool; where `which` (T,) is negative, nobody asks, and
    the answer is 0. Models that have a method of this name are asked for both at once.
    """
    if hasattr(model, "score_with_mass"):
        return model.score_with_mass(corpus, sets, which, threads)
    masses = np.zeros(len(which))
    for places, state in states_before(model, corpus, np.flatnonzero(which >= 0)):
        masses[places] = log_masses(model, state, sets, which[places])
    return model.score(corpus, threads), masses


def states_before(model: LanguageModel, corpus: Corpus, places: np.ndarray) -> Iterator[tuple[np.ndarray, State]]:
    """Some of the `places` of a text in the ids of `model`, and the states before the events there; all, in the end.

    Sentences are read side by side; the whole text at once by a model that remembers.
    """
    asked = np.zeros(len(corpus.ids), bool)
    asked[places] = True
    begin = np.zeros(1, np.int64) if remembers(model) else corpus.offsets[:-1]
    last = _last_asked(asked, begin)
    begin, last = begin[last >= begin], last[last >= begin]
    longest_first = np.argsort(begin - last, kind="stable")
    for start in range(0, len(begin), SENTENCES):
        some = longest_first[start : start + SENTENCES]
        yield from _read(model, corpus.ids, begin[some], last[some], asked)


def _last_asked(asked: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """(S,) the last place of each text from `begin` to the next that is asked for, −1 if none is."""
    if not len(asked):
        return np.full(len(begin), -1)
    return np.maximum.reduceat(np.where(asked, np.arange(len(asked)), -1), begin)


def _read(
    model: LanguageModel, ids: np.ndarray, begin: np.ndarray, last: np.ndarray, asked: np.ndarray
) -> Iterator[tuple[np.ndarray, State]]:
    """Read texts from `begin` to `last`, the longest first, side by side."""
    state = model.start(len(begin))
    lengths = last - begin
    for step in range(int(lengths[0]) + 1):
        going = int(np.searchsorted(-lengths, -step, side="right"))
        places = begin[:going] + step
        rows = np.flatnonzero(asked[places])
        if len(rows):
            yield places[rows], taken(model, state, rows)
        left = int(np.searchsorted(-lengths, -(step + 1), side="right"))
        if left:
            state = model.advance(taken(model, state, np.arange(left)), ids[places[:left]])[1]
