"""Lists of several systems for the same utterances as one list, from which a vote chooses (ROVER, Fiscus 1997).

Each system gives its hypotheses posteriors, which add up to the weight of the system; one with a single text gives it
all its weight. With n-best lists this is the n-best ROVER of Stolcke et al. (2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.nbest.decide.decision import DecisionSettings, decide
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.rescore import RescoredLists
from lmmix.nbest.system import System
from lmmix.nbest.utterance import Utterance
from lmmix.vocab import words_of

POSTERIOR = "posterior"
"""The score of the joined lists."""

TINY = 1e-300
"""Posteriors below count as this where their logarithm is taken."""


def join_systems(systems: Sequence[System], weights: Sequence[float] = (), missing: str = "error") -> list[Utterance]:
    """One list an utterance with the different texts of all systems, the one with the highest posterior first.

    Utterances are the same if their ids are, and come in the order of the first system. The joined ones have the
    score POSTERIOR, and of each text the `systems` that have it; all else is that of the first system.

    Parameters
    ----------
    systems : sequence of System
    weights : sequence of float, optional
        How much each system counts, above 0; by default all the same.
    missing : str
        If a system lacks an utterance: ``error``, or ``skip``, and the others vote.

    Raises InputError, SettingError.
    """
    check_settings([one.name for one in systems], weights, missing)
    weights = [float(weight) for weight in weights] or [1.0] * len(systems)
    keys = list(dict.fromkeys(key for one in systems for key in one.utterances))
    if missing == "error":
        _check_complete(systems, keys)
    weighed = list(zip(systems, weights))
    return [_joined([pair for pair in weighed if key in pair[0].utterances], key) for key in keys]


def check_settings(names: Sequence[str], weights: Sequence[float] = (), missing: str = "error") -> None:
    """Raise SettingError if `join_systems` would, for systems of these names."""
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"{name} stands twice among the systems; the weights of systems let one count more")
    if len(weights) not in (0, len(names)):
        raise SettingError(f"there are {len(weights)} weights of systems, and {len(names)} systems")
    if not all(0 < weight < np.inf for weight in weights):
        raise SettingError(f"the weights of systems are {', '.join(map(str, weights))}; they must be above 0")
    if missing not in ("error", "skip"):
        raise SettingError(f"missing is {missing!r}; it must be error or skip")


def _check_complete(systems: Sequence[System], keys: Sequence[str]) -> None:
    for one in systems:
        lacking = [key for key in keys if key not in one.utterances]
        if lacking:
            owner = next(other.name for other in systems if lacking[0] in other.utterances)
            raise InputError(
                f"{one.name}: there is no utterance {lacking[0]!r}, which {owner} has ({len(lacking)} in all); "
                "with --missing skip the other systems vote there"
            )


def _joined(weighed: Sequence[tuple[System, float]], key: str) -> Utterance:
    """The list of the utterance `key` from systems that have it, with their weights."""
    texts: dict[tuple[str, ...], str] = {}
    mass: dict[tuple[str, ...], float] = {}
    owners: dict[tuple[str, ...], dict[str, None]] = {}
    for one, weight in weighed:
        for text, share in zip(one.utterances[key].texts, one.masses[key]):
            words = tuple(words_of(text))
            texts.setdefault(words, text)
            mass[words] = mass.get(words, 0.0) + weight * float(share)
            owners.setdefault(words, {})[one.name] = None
    order = sorted(mass, key=lambda words: -mass[words])
    everything = sum(weight for _, weight in weighed)
    utterances = [one.utterances[key] for one, _ in weighed]
    return replace(
        utterances[0],
        texts=[texts[words] for words in order],
        scores={POSTERIOR: [mass[words] / everything for words in order]},
        refs=next((one.refs for one in utterances if one.refs), ()),
        hyp_fields=[{"systems": list(owners[words])} for words in order],
    )


def choose(lists: NbestLists, decision: DecisionSettings) -> RescoredLists:
    """The texts chosen from joined lists by the posteriors that they have, whose logarithms are the totals."""
    total = np.log(np.maximum(lists.features[POSTERIOR], TINY))
    return RescoredLists(lists, total, decide(lists, total, replace(decision, temperature=1.0)))
