"""Giving the n-grams of a model the mean probabilities of another one, history by history with dictionaries."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel
from lmmix.vocab import BOS, EOS

Ngram = tuple[int, ...]


def mean_probabilities(model: LanguageModel, contexts: set[Ngram], corpus: Corpus) -> dict[Ngram, np.ndarray]:
    """For each of `contexts` that occurs in the text the mean of the model's distributions behind it."""
    found: dict[Ngram, list[np.ndarray]] = defaultdict(list)
    state, history = model.start(1), (BOS,)
    for word in corpus.ids.tolist():
        p = model.distribution(state)[0]
        for length in range(len(history) + 1):
            context = history[len(history) - length :]
            if context in contexts:
                found[context].append(p)
        _, state = model.advance(state, np.array([word], np.int32))
        history = (BOS,) if word == EOS else (*history, word)
    return {context: np.mean(rows, axis=0) for context, rows in found.items()}
