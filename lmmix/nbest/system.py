"""The lists of one of several systems, with posteriors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.errors import InputError
from lmmix.nbest.decide.posteriors import check_temperature, posteriors
from lmmix.nbest.decide.temperature import spread
from lmmix.nbest.features import RANK
from lmmix.nbest.formats.numbers import is_finite_number
from lmmix.nbest.utterance import TOTAL, Utterance

PART = 0.25
"""The temperature by default, as a part of the typical standard deviation of the scores in a list.

So posteriors do not depend on the scale of the scores, which is another one for each system and way of tuning.
"""


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

    def chosen(self, key: str) -> str:
        """The most probable text of the utterance `key`, the first of equals."""
        return self.utterances[key].texts[int(np.argmax(self.masses[key]))]


def system(
    name: str, utterances: Iterable[Utterance], temperature: float | None = None, score: str | None = None
) -> System:
    """A system with posteriors ∝ exp(score / temperature).

    `score` names a score of the lists, by default the total that rescoring wrote; with ``rank``, and for lists that
    have no scores or only one text each, posteriors are ∝ 1 / (rank + 1), ranks from 0, whatever the temperature.
    `temperature` is by default PART of the typical standard deviation of the scores in a list.
    Raises InputError, SettingError.
    """
    if temperature is not None:
        check_temperature(temperature)
    by_id: dict[str, Utterance] = {}
    for one in utterances:
        if one.id in by_id:
            raise InputError(f"{name}: there are two lists for the utterance {one.id!r}")
        by_id[one.id] = one
    if not by_id:
        raise InputError(f"{name}: there are no n-best lists")
    taken = _score_to_take(name, list(by_id.values()), score)
    if taken == RANK:
        return System(name, by_id, {key: _by_rank(len(one.texts)) for key, one in by_id.items()})
    values = {key: _values(one, taken) for key, one in by_id.items()}
    grid = np.array([temperature or PART * spread(values.values())])
    return System(name, by_id, {key: posteriors(one, grid)[0] for key, one in values.items()})


def _score_to_take(name: str, utterances: Sequence[Utterance], score: str | None) -> str:
    """The score asked for, or TOTAL, or RANK."""
    first = utterances[0]
    known = list(first.scores)
    if TOTAL not in known and first.hyp_fields and TOTAL in first.hyp_fields[0]:
        known.append(TOTAL)
    if score is not None:
        if score not in (*known, RANK):
            raise InputError(f"{name}: the n-best list has no score {score!r}; it has {', '.join(known) or 'none'}")
        return score
    if TOTAL in known:
        return TOTAL
    if known and any(len(one.texts) > 1 for one in utterances):
        raise InputError(
            f"{name}: there are no totals that say how probable the texts are; "
            f"--score takes one of {', '.join(known)}, or {RANK} for their order alone"
        )
    return RANK


def _by_rank(n: int) -> np.ndarray:
    """(n,) posteriors by rank."""
    mass = 1.0 / np.arange(1, n + 1)
    return mass / mass.sum()


def _values(utterance: Utterance, score: str) -> np.ndarray:
    """(n,) the score of the hypotheses of one list."""
    values = utterance.scores.get(score, [])
    if not values and score == TOTAL:
        values = [fields.get(TOTAL) for fields in utterance.hyp_fields]  # type: ignore[misc]
    if len(values) != len(utterance.texts) or not all(map(is_finite_number, values)):
        raise InputError(f"{utterance.where}: a hypothesis of utterance {utterance.id!r} has no {score!r}")
    return np.array(values, np.float64)
