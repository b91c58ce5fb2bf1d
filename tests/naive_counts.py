"""Slow, obvious twins of count files, weights and cut-offs: dictionaries of tuples of words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import naive_ngram

Ngram = tuple[str, ...]
SPACES = " \t\n\v\f\r\0"


def read(lines: Iterable[str]) -> dict[Ngram, float]:
    """The sum of the counts of each n-gram; n-grams of count 0 are left out."""
    found: dict[Ngram, float] = defaultdict(float)
    for line in lines:
        for space in SPACES:
            line = line.replace(space, " ")
        *words, count = [word for word in line.split(" ") if word] or [""]
        if words:
            found[tuple(words)] += float(count)
    return {ngram: count for ngram, count in found.items() if count}


def weighted(sentences: Sequence[Sequence[str]], weights: Sequence[float], order: int) -> dict[Ngram, float]:
    """Each sentence counts as often as its weight says."""
    found: dict[Ngram, float] = defaultdict(float)
    for sentence, weight in zip(sentences, weights):
        for ngram, count in naive_ngram.counts([sentence], order).items():
            if weight and sentence:
                found[ngram] += weight * count
    return dict(found)


def cut_off(counts: Counter[Ngram], min_counts: Sequence[int]) -> dict[Ngram, int]:
    """N-grams of at least the count given for their order, if all their parts have theirs."""

    def stays(ngram: Ngram) -> bool:
        if len(ngram) == 1:
            return True
        least = min_counts[min(len(ngram), len(min_counts)) - 1]
        return counts[ngram] >= least and stays(ngram[:-1]) and stays(ngram[1:])

    return {ngram: count for ngram, count in counts.items() if stays(ngram)}
