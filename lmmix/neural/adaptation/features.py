"""What a network says along a text, in its order, and which networks can be adapted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.neural.backend import ids_on, torch
from lmmix.neural.batches import Pieces, whole_text
from lmmix.neural.model import NeuralModel
from lmmix.neural.reading import READ_TOKENS, read_batch

Tensor = torch.Tensor


def check_adaptable(model: Any) -> NeuralModel:
    """`model`, if it is a network that can be adapted. Raises SettingError."""
    if not isinstance(model, NeuralModel):
        raise SettingError(
            "only a network that predicts the next word can be adapted (lmmix neural trains them), "
            f"not a {type(model).__name__}"
        )
    return model


def features_in_order(model: NeuralModel, corpus: Corpus) -> Iterator[Tensor]:
    """Features (m, embedding) of the events of `corpus`, stretch by stretch, as they come in the text."""
    if model.context == "document":
        for features, _ in read_batch(model.network, whole_text(corpus), model.network.start(1)):
            yield features
        return
    offsets = corpus.offsets
    stretches = np.flatnonzero(np.diff(offsets[:-1] // READ_TOKENS)) + 1
    for sentences in np.split(np.arange(corpus.n_sentences), stretches):
        begin, end = offsets[sentences[0]], offsets[sentences[-1] + 1]
        yield _of_sentences(model, corpus, sentences, int(begin), int(end))


def _of_sentences(model: NeuralModel, corpus: Corpus, sentences: np.ndarray, begin: int, end: int) -> Tensor:
    """(end − begin, embedding) features of neighbouring sentences, which are read in batches by length."""
    begins, ends = corpus.offsets[sentences], corpus.offsets[sentences + 1]
    pieces = Pieces(corpus.ids, begins, ends, np.ones(len(sentences), bool))
    found = torch.empty((end - begin, model.network.settings.embedding), device=model.device)
    for chosen in pieces.batches(READ_TOKENS):
        for features, places in read_batch(model.network, pieces.padded(chosen), model.network.start(len(chosen))):
            found[ids_on(model.device, places - begin)] = features
    return found
