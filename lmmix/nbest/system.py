"""The lists of one of several systems, with posteriors."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.errors import InputError
from lmmix.nbest.decide.posteriors import check_temperature, posteriors
from lmmix.nbest.formats.numbers import is_finite_number
from lmmix.nbest.utterance import TOTAL, Utterance

logger = logging.getLogger("lmmix")


@dataclass(frozen=True)
class System:
    """What one system says.

    Attributes
    ----------
    name : str
    utterances : dict of id to Utterance
    masses : dict of id to (n,) float64
        Posteriors of the hypotheses, which sum to 1.
    """

    name: str
    utterances: dict[str, Utterance]
    masses: dict[str, np.ndarray]


def system(name: str, utterances: Iterable[Utterance], temperature: float = 1.0, score: str | None = None) -> System:
    """A system with posteriors ∝ exp(score / temperature).

    `score` names a score of the lists; by default it is the total that rescoring wrote. Where there are no totals,
    posteriors are ∝ 1 / (rank + 1), ranks from 0, with a warning if there are other scores.
    Raises InputError, SettingError.
    """
    check_temperature(temperature)
    by_id = {one.id: one for one in utterances}
    if not by_id:
        raise InputError(f"{name}: there are no n-best lists")
    taken = _score_to_take(name, next(iter(by_id.values())), score)
    return System(name, by_id, {key: _posteriors(one, taken, temperature) for key, one in by_id.items()})


def _score_to_take(name: str, first: Utterance, score: str | None) -> str | None:
    """The score asked for, TOTAL, or None for the rank."""
    has_totals = bool(first.hyp_fields) and TOTAL in first.hyp_fields[0]
    if score is not None:
        if score not in first.scores and not (score == TOTAL and has_totals):
            known = [*first.scores, *([TOTAL] if has_totals else [])]
            raise InputError(f"{name}: the n-best list has no score {score!r}; it has {', '.join(known) or 'none'}")
        return score
    if has_totals:
        return TOTAL
    if first.scores:
        logger.warning("%s has no totals, so ranks count; --score takes one of: %s", name, ", ".join(first.scores))
    return None


def _posteriors(utterance: Utterance, score: str | None, temperature: float) -> np.ndarray:
    """(n,) posteriors of the hypotheses of one list."""
    if score is None:
        mass = 1.0 / np.arange(1, len(utterance.texts) + 1)
        return mass / mass.sum()
    values: Sequence[float | None] = utterance.scores.get(score) or _totals(utterance)
    if not all(map(is_finite_number, values)):
        raise InputError(f"{utterance.where}: a hypothesis of utterance {utterance.id!r} has no {TOTAL!r}")
    return posteriors(np.array(values, np.float64), np.array([temperature]))[0]


def _totals(utterance: Utterance) -> list[float | None]:
    return [one.get(TOTAL) for one in utterance.hyp_fields] or [None]
