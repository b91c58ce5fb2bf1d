"""Slow, obvious twins of tuning: errors are counted anew at every place where they can differ."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lmmix.nbest.lists import NbestLists
from lmmix.nbest.utterance import Utterance


def make_lists(utterances: Sequence[tuple[str | None, Sequence[tuple[str, dict[str, float]]]]]) -> NbestLists:
    """Lists from (reference, [(text, scores), …]) of each utterance; their ids are u0, u1, …"""
    made = []
    for u, (ref, hyps) in enumerate(utterances):
        scores = {name: [given[name] for _, given in hyps] for name in hyps[0][1]}
        made.append(Utterance(f"u{u}", [text for text, _ in hyps], scores, () if ref is None else (ref,)))
    return NbestLists(made)


def naive_best(totals: Sequence[Any]) -> int:
    """The first of the highest."""
    return next(i for i, total in enumerate(totals) if total == max(totals))


def naive_errors(features: np.ndarray, bounds: Sequence[int], errors: Sequence[int], weights: Sequence[float]) -> int:
    """Errors of the hypotheses that the weighted sum puts first."""
    count = 0
    for lo, hi in itertools.pairwise(bounds):
        totals = [float(np.dot(features[i], weights)) for i in range(lo, hi)]
        count += int(errors[lo + naive_best(totals)])
    return count


def naive_probes(offset: Sequence[int], slope: Sequence[int], bounds: Sequence[int]) -> list[Fraction]:
    """A place before, between and behind all places where two hypotheses of a list have the same score."""
    crossings = set()
    for lo, hi in itertools.pairwise(bounds):
        for i, j in itertools.combinations(range(lo, hi), 2):
            if slope[i] != slope[j]:
                crossings.add(Fraction(offset[i] - offset[j], slope[j] - slope[i]))
    places = sorted(crossings)
    if not places:
        return [Fraction(0)]
    between = [(left + right) / 2 for left, right in itertools.pairwise(places)]
    return [places[0] - 1, *between, places[-1] + 1]


def naive_winners(offset: Sequence[int], slope: Sequence[int], bounds: Sequence[int], gamma: Fraction) -> list[int]:
    """The best hypothesis of each list where scores are offset + γ · slope."""
    totals = [o + gamma * s for o, s in zip(offset, slope)]
    return [lo + naive_best(totals[lo:hi]) for lo, hi in itertools.pairwise(bounds)]


def naive_fewest_errors_of_the_plane(features: np.ndarray, bounds: Sequence[int], errors: Sequence[int]) -> int:
    """The fewest errors that any weights of two features reach, ties aside: one try between all angles that matter."""
    angles = set()
    for lo, hi in itertools.pairwise(bounds):
        for i, j in itertools.combinations(range(lo, hi), 2):
            x, y = features[i] - features[j]
            angles |= {math.atan2(x, -y) % math.tau, math.atan2(-x, y) % math.tau}
    places = sorted(angles) or [0.0]
    middles = [(left + right) / 2 for left, right in itertools.pairwise([*places, places[0] + math.tau])]
    return min(naive_errors(features, bounds, errors, (math.cos(a), math.sin(a))) for a in middles)
