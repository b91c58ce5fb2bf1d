"""Slow, obvious twin of vocabulary selection: unigram models as dictionaries, plain EM."""

from __future__ import annotations

import math
from collections import Counter

Model = dict[str, float]


def models(texts: list[list[str]]) -> list[Model]:
    """Witten–Bell unigram models over the words of all texts."""
    vocab = list(dict.fromkeys(word for text in texts for word in text))
    found = []
    for text in texts:
        count = Counter(text)
        found.append({w: (count[w] + len(count) / len(vocab)) / (len(text) + len(count)) for w in vocab})
    return found


def mixed(members: list[Model], weights: list[float]) -> Model:
    """The mixture of some models."""
    return {w: sum(weight * model[w] for weight, model in zip(weights, members)) for w in members[0]}


def log_likelihood(members: list[Model], held_out: list[str], weights: list[float]) -> float:
    """That of the held-out words that the models know."""
    mixture = mixed(members, weights)
    return sum(math.log(mixture[word]) for word in held_out if word in mixture)


def em(members: list[Model], held_out: list[str], passes: int) -> list[float]:
    """Weights after so many passes, from equal ones."""
    weights = [1 / len(members)] * len(members)
    seen = [word for word in held_out if word in members[0]]
    for _ in range(passes):
        mixture = mixed(members, weights)
        shares = [sum(weight * model[w] / mixture[w] for w in seen) for weight, model in zip(weights, members)]
        weights = [share / len(seen) for share in shares]
    return weights
