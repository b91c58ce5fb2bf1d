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
