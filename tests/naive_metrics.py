"""Slow, obvious twins of metrics: tables filled cell by cell, from the definitions."""

from __future__ import annotations

from collections.abc import Sequence


def naive_cheapest(
    substitution: Sequence[Sequence[float]], deletion: Sequence[float], insertion: Sequence[float]
) -> tuple[float, list[tuple[int, int]]]:
    """The cost and the pairs of the cheapest alignment; of equal ones the least of (both, insertion, deletion) last."""
    table: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {(0, 0): (0, [])}
    for i in range(len(deletion) + 1):
        for j in range(len(insertion) + 1):
            ways = []
            if i and j:
                cost, pairs = table[i - 1, j - 1]
                ways.append((cost + substitution[i - 1][j - 1], [*pairs, (i - 1, j - 1)]))
            if j:
                cost, pairs = table[i, j - 1]
                ways.append((cost + insertion[j - 1], [*pairs, (-1, j - 1)]))
            if i:
                cost, pairs = table[i - 1, j]
                ways.append((cost + deletion[i - 1], [*pairs, (i - 1, -1)]))
            if ways:
                table[i, j] = min(ways, key=lambda way: way[0])
    return table[len(deletion), len(insertion)]


def naive_alignment(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """sclite's alignment: 4 for a substitution, 3 for an insertion or a deletion."""
    substitution = [[0 if left == right else 4 for right in hypothesis] for left in reference]
    _, pairs = naive_cheapest(substitution, [3] * len(reference), [3] * len(hypothesis))
    return [(reference[i] if i >= 0 else None, hypothesis[j] if j >= 0 else None) for i, j in pairs]


def naive_error_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
    """(substitutions, insertions, deletions, length of the reference) of that alignment."""
    pairs = naive_alignment(reference, hypothesis)
    insertions = sum(left is None for left, _ in pairs)
    deletions = sum(right is None for _, right in pairs)
    substitutions = sum(None not in pair and pair[0] != pair[1] for pair in pairs)
    return substitutions, insertions, deletions, len(reference)
