"""Slow, obvious twins of decisions, with exact fractions where the originals have floating-point numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from lmmix.metrics.alignment import align

FINE = 2**20


def naive_posteriors(powers: Sequence[int]) -> list[Fraction]:
    """Posteriors of totals that are these multiples of ln 2."""
    masses = [Fraction(2) ** power for power in powers]
    return [mass / sum(masses) for mass in masses]


def naive_mbr(texts: Sequence[str], powers: Sequence[int], loss: Callable[[str, str], int]) -> int:
    """Of the hypotheses with the least expected loss, the one with the highest total, then the first."""
    masses = naive_posteriors(powers)
    risks = [sum(mass * loss(text, other) for mass, other in zip(masses, texts)) for text in texts]
    least = [i for i, risk in enumerate(risks) if risk == min(risks)]
    chosen = max(least, key=lambda i: powers[i])
    return next(i for i, text in enumerate(texts) if text.split() == texts[chosen].split())


def naive_network(texts: Sequence[Sequence[str]], masses: Sequence[Fraction]) -> list[dict[str, Fraction]]:
    """Slots with masses of words, each with its words in the order in which they came."""
    slots: list[dict[str, Fraction]] = []
    before = Fraction(0)
    for i in sorted(range(len(texts)), key=lambda i: -masses[i]):
        grown = []
        for slot, word in naive_alignment(slots, texts[i], before):
            slot = ({"": before} if before else {}) if slot is None else slot
            slot[word] = slot.get(word, Fraction(0)) + masses[i]
            grown.append(slot)
        slots = grown
        before += masses[i]
    return slots


def naive_alignment(
    slots: Sequence[dict[str, Fraction]], words: Sequence[str], before: Fraction
) -> list[tuple[dict[str, Fraction] | None, str]]:
    """The cheapest way, of equal ones that whose last steps are together, then a new slot, then an empty word."""

    def cost(slot: dict[str, Fraction], word: str) -> Fraction:
        return Fraction(round(FINE * (1 - slot.get(word, Fraction(0)) / before)), FINE)

    best: dict[tuple[int, int], tuple[Fraction, list]] = {(0, 0): (Fraction(0), [])}
    for i in range(len(slots) + 1):
        for j in range(len(words) + 1):
            ways = []
            if i and j:
                paid, way = best[i - 1, j - 1]
                ways.append((paid + cost(slots[i - 1], words[j - 1]), [*way, (slots[i - 1], words[j - 1])]))
            if j:
                paid, way = best[i, j - 1]
                ways.append((paid + 1, [*way, (None, words[j - 1])]))
            if i:
                paid, way = best[i - 1, j]
                ways.append((paid + cost(slots[i - 1], ""), [*way, (slots[i - 1], "")]))
            if ways:
                best[i, j] = min(ways, key=lambda option: option[0])
    return best[len(slots), len(words)][1]


def naive_elected(slots: Sequence[dict[str, Fraction]]) -> list[str]:
    """The heaviest word of each slot, of equal ones that which came first, without empty ones."""
    heaviest = [max(slot, key=lambda word: slot[word]) for slot in slots]
    return [word for word in heaviest if word]


def network_with_nists_costs(texts: Sequence[Sequence[str]]) -> list[Counter[str]]:
    """Slots with counts of words, "" for none, of texts that are aligned one after the other as NIST's rover does.

    A word costs 0 in a slot that has it, 1 in one that has the empty word, else 4; to leave a slot out costs 0.001 if
    it has the empty word, else 3; a new slot costs 3.
    """
    slots = [Counter([word]) for word in texts[0]]
    for before, words in enumerate(texts[1:], 1):
        costs = [[0.0 if word in slot else 1.0 if "" in slot else 4.0 for word in words] for slot in slots]
        pairs = align(
            np.reshape(costs, (len(slots), len(words))),
            np.array([0.001 if "" in slot else 3.0 for slot in slots]),
            np.full(len(words), 3.0),
        )
        grown = []
        for i, j in pairs:
            slot = slots[i] if i >= 0 else Counter({"": before})
            slot[words[j] if j >= 0 else ""] += 1
            grown.append(slot)
        slots = grown
    return slots
