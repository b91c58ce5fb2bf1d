"""The adaptive softmax with dictionaries, from section 4 of Grave et al. (2017); slow and obvious."""

from __future__ import annotations

import math

import numpy as np


def softmax(logits: dict) -> dict:
    peak = max(logits.values())
    total = sum(math.exp(value - peak) for value in logits.values())
    return {key: math.exp(value - peak) / total for key, value in logits.items()}


def distribution(feature, vectors, bias, group_vectors, group_bias, clusters, never):
    """p(word) of every word: `clusters` are lists of words, the first of them the head; `never` is no event."""

    def logits(words):
        return {word: float(np.dot(feature, vectors[word]) + bias[word]) for word in words if word != never}

    head = logits(clusters[0])
    for number in range(len(clusters) - 1):
        head["group", number] = float(np.dot(feature, group_vectors[number]) + group_bias[number])
    first = softmax(head)
    p = {never: 0.0}
    for word in clusters[0]:
        if word != never:
            p[word] = first[word]
    for number, words in enumerate(clusters[1:]):
        for word, value in softmax(logits(words)).items():
            p[word] = first["group", number] * value
    return p
