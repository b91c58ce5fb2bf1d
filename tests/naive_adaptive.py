"""Slow, obvious twins of the models that learn from the text they read or look up one."""

from __future__ import annotations

from collections import Counter

BOS, EOS = "<s>", "</s>"


def cache(
    sentences: list[list[str]], events: set[str], order: int, half_life: float, prior: float, unk: bool
) -> list[float]:
    """p of each event of the sentences (each ends in `</s>`) by what was read before; `events` are all but `<s>`."""
    read: list[tuple[str, str]] = []
    out = []
    for sentence in sentences:
        before = BOS
        for word in sentence:
            out.append(cache_distribution(read, before, events, order, half_life, prior, unk)[word])
            read.append((before, word))
            before = word
    return out


def cache_distribution(
    read: list[tuple[str, str]], before: str, events: set[str], order: int, half_life: float, prior: float, unk: bool
) -> dict[str, float]:
    """p of each event behind the word `before`, after the pairs (word before, event) that were read."""
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for age, (context, word) in enumerate(reversed(read)):
        if word != "<unk>" or unk:
            words[word] += 0.5 ** (age / half_life)
            pairs[context, word] += 0.5 ** (age / half_life)
    p = {w: (words[w] + prior / len(events)) / (sum(words.values()) + prior) for w in events}
    if order == 1:
        return p
    total = sum(count for (context, _), count in pairs.items() if context == before)
    return {w: (pairs[before, w] + prior * p[w]) / (total + prior) for w in events}
