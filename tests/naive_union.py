"""Slow, obvious twins of what brings models of different vocabularies together."""

from __future__ import annotations

from collections.abc import Callable

UNK, BOS, EOS = "<unk>", "<s>", "</s>"

Probability = Callable[[str, list[str]], float]
"""p(word | history) of a model; histories begin with `<s>`."""


def widened(p: Probability, words: set[str], union: set[str], share: dict[str, float]) -> Probability:
    """`p` over `words`, widened to `union`; `share` says in what proportion words share `<unk>`."""
    lacking = (union - words) | {UNK}
    total = sum(share[word] for word in lacking)

    def probability(word: str, history: list[str]) -> float:
        seen = [word if word in words else UNK for word in history]
        if word in lacking or word not in union:
            word = word if word in union else UNK
            return p(UNK, seen) * share[word] / total
        return p(word, seen)

    return probability


def unigram_share(unigrams: list[dict[str, float]], union: set[str]) -> dict[str, float]:
    """The mean probability of each word in the models that know it."""
    share = {}
    for word in union:
        known = [p[word] for p in unigrams if word in p]
        share[word] = sum(known) / len(known)
    return share


def spelling_share(words: list[str], p: Callable[[str], float]) -> dict[str, float]:
    """The probability of each spelling, and at `<unk>` that of all others."""
    share = {word: p(word) for word in words}
    return {**share, UNK: 1 - sum(share.values()), BOS: 0.0, EOS: 0.0}
