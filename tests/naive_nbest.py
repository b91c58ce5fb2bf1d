"""Slow, obvious twins of tuning: errors are counted anew at every place where they can differ."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lmmix.nbest.lists import NbestLists
from lmmix.nbest.tuning.problem import TuningProblem
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


class Errors:
    """A metric like word error rate: the statistics are errors and the length of the reference."""

    name, signature, columns = "errors", "errors", ("errors", "reference")
    higher_is_better, factor, linear = False, 100.0, True

    def value(self, sums):
        return sums[..., 0] / sums[..., 1]

    def sentence_loss(self, statistics):
        return statistics[:, 0]


class Precisions:
    """A metric like BLEU: the statistics are n-grams that match, of 1 to 4 words, n-grams in all, and two lengths."""

    name, signature = "precisions", "precisions"
    columns = tuple("m1 m2 m3 m4 n1 n2 n3 n4 length reference".split())
    higher_is_better, factor, linear = True, 1.0, False

    def value(self, sums):
        precisions = np.log((sums[..., :4] + 0.01) / (sums[..., 4:8] + 0.01)).mean(axis=-1)
        short = np.minimum(1.0 - (sums[..., 9] + 0.01) / (sums[..., 8] + 0.01), 0.0)
        return 100.0 * np.exp(precisions + short)

    def sentence_loss(self, statistics):
        return -self.value(statistics)


def naive_loss(problem: TuningProblem, weights: Sequence[float]) -> float:
    """The loss of the hypotheses that the weighted sum puts first."""
    chosen = []
    for lo, hi in itertools.pairwise(problem.offsets):
        totals = [sum(float(x) * float(w) for x, w in zip(problem.features[i], weights)) for i in range(lo, hi)]
        chosen.append(problem.statistics[lo + naive_best(totals)])
    value = float(problem.metric.value(np.sum(chosen, axis=0)))
    return -value if problem.metric.higher_is_better else value


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


def naive_least_loss_of_the_plane(problem: TuningProblem) -> float:
    """The least loss that any weights of two features reach, ties aside: one try between all angles that matter."""
    angles = set()
    for lo, hi in itertools.pairwise(problem.offsets):
        for i, j in itertools.combinations(range(lo, hi), 2):
            x, y = problem.features[i] - problem.features[j]
            angles |= {math.atan2(x, -y) % math.tau, math.atan2(-x, y) % math.tau}
    places = sorted(angles) or [0.0]
    middles = [(left + right) / 2 for left, right in itertools.pairwise([*places, places[0] + math.tau])]
    return min(naive_loss(problem, (math.cos(a), math.sin(a))) for a in middles)


def naive_posteriors(totals: Sequence[float]) -> list[float]:
    """Probabilities ∝ exp(total)."""
    mass = [math.exp(total) for total in totals]
    return [one / sum(mass) for one in mass]


def naive_expected_loss(problem: TuningProblem, theta: Sequence[float]) -> float:
    """The loss of the expected statistics where totals are features / spread @ theta."""
    sums = np.zeros(problem.statistics.shape[1])
    for lo, hi in itertools.pairwise(problem.offsets):
        totals = [sum(problem.features[i] / problem.spread * theta) for i in range(lo, hi)]
        for i, p in zip(range(lo, hi), naive_posteriors(totals)):
            sums += p * problem.statistics[i]
    value = float(problem.metric.value(sums))
    return -value if problem.metric.higher_is_better else value


def naive_mira_pass(
    features: np.ndarray,
    cost: np.ndarray,
    offsets: Sequence[int],
    order: Sequence[int],
    largest: float,
    limits: Sequence[tuple[float, float]],
    weights: Sequence[float],
) -> list[list[float]]:
    """The weights after each list (Cherry & Foster 2012, algorithm 2), put back into their limits."""
    after, w = [], [float(x) for x in weights]
    for u in order:
        rows = range(offsets[u], offsets[u + 1])
        total = {i: sum(w[f] * features[i][f] for f in range(len(w))) for i in rows}
        hope = max(rows, key=lambda i: total[i] - cost[i])
        fear = max(rows, key=lambda i: total[i] + cost[i])
        ahead = [features[hope][f] - features[fear][f] for f in range(len(w))]
        lacking = cost[fear] - cost[hope] - sum(w[f] * ahead[f] for f in range(len(w)))
        norm = sum(x * x for x, (low, high) in zip(ahead, limits) if low < high)
        if lacking > 0 and norm > 0:
            step = min(largest, lacking / norm)
            w = [min(max(w[f] + step * ahead[f], limits[f][0]), limits[f][1]) for f in range(len(w))]
        after.append(list(w))
    return after
