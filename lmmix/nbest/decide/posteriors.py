"""How probable the hypotheses of a list are, if one of them is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.errors import SettingError
from lmmix.vocab import words_of

HEARD = 0.999
"""Hypotheses have a say in the order of their posteriors until these add up to this share; the others have none."""


def check_temperature(temperature: float) -> None:
    """Raise SettingError unless posteriors can have this temperature."""
    if not 0 < temperature < np.inf:
        raise SettingError(f"temperature is {temperature}; it must be above 0")


def posteriors(total: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """(G, n) posteriors ∝ exp(total / temperature) of the hypotheses of one list, for each of G temperatures.

    `total` (n,) are finite; posteriors of one temperature sum to 1.
    """
    with np.errstate(over="ignore"):
        mass = np.exp((total - total.max()) / temperatures[:, None])
    return mass / mass.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Ballot:
    """The m different texts of one list, the one with the highest total first, with their masses.

    Attributes
    ----------
    words : list of m lists of words
        Texts are different if their words are.
    place : (m,) int64
        The first hypothesis of the list with this text.
    masses : (G, m) float64
        Posteriors for each of G temperatures, added up over equal texts; 0 for those without a say (see HEARD).
    """

    words: list[list[str]]
    place: np.ndarray
    masses: np.ndarray


def ballot(texts: Sequence[str], total: np.ndarray, temperatures: np.ndarray) -> Ballot:
    """The ballot of one list: n texts, (n,) totals, (G,) temperatures."""
    words = [tuple(words_of(text)) for text in texts]
    first: dict[tuple[str, ...], int] = {}
    for i, one in enumerate(words):
        first.setdefault(one, i)
    number: dict[tuple[str, ...], int] = {}
    for i in np.argsort(-total, kind="stable"):
        number.setdefault(words[i], len(number))
    single = posteriors(total, temperatures)
    masses = np.zeros((len(temperatures), len(number)))
    for i, one in enumerate(words):
        masses[:, number[one]] += single[:, i]
    place = np.array([first[one] for one in number], np.int64)
    return Ballot([list(one) for one in number], place, heard(masses))


def heard(masses: np.ndarray) -> np.ndarray:
    """(G, m) the masses of each row's smallest set that has the share HEARD of all mass, 0 for the others."""
    order = np.argsort(-masses, axis=1, kind="stable")
    falling = np.take_along_axis(masses, order, axis=1)
    before = np.cumsum(falling, axis=1) - falling
    kept = np.zeros_like(masses)
    few = np.where(before < HEARD * masses.sum(axis=1, keepdims=True), falling, 0.0)
    np.put_along_axis(kept, order, few, axis=1)
    return kept
