"""Several models asked in the word numbers of one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lmmix.lm import LanguageModel
from lmmix.vocab import Vocab

Ids = Sequence[np.ndarray | None]
"""For each model the id there of each of our words, None where the ids are the same."""


def ids_of_members(vocab: Vocab, models: Sequence[LanguageModel]) -> list[np.ndarray | None]:
    """K of (V,) int32 or None: see `Ids`. Raises EventSpaceError for tokens of another tokeniser."""
    return [None if model.vocab == vocab else vocab.translation(model.vocab) for model in models]


def advanced(
    models: Sequence[LanguageModel], ids: Ids, states: Sequence[Any], words: np.ndarray
) -> tuple[list[np.ndarray], list[Any]]:
    """(K of (n,) ln p of `words`, the models' states behind them)."""
    steps = [
        model.advance(state, words if there is None else there[words])
        for model, state, there in zip(models, states, ids)
    ]
    return [logp for logp, _ in steps], [after for _, after in steps]


def distributions(models: Sequence[LanguageModel], ids: Ids, states: Sequence[Any]) -> Iterator[np.ndarray]:
    """(n, V) probability of each next event, model by model."""
    for model, there, state in zip(models, ids, states):
        p = model.distribution(state)
        yield p if there is None else p[:, there]
