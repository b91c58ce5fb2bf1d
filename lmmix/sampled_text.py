"""A large text drawn from a model, many sentences side by side, as what an n-gram model can be trained on."""

from __future__ import annotations

import math

import numpy as np

from lmmix.checks import check_seed
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.lm import LanguageModel, is_distribution
from lmmix.progress import task
from lmmix.vocab import EOS

BLOCK_NUMBERS = 1 << 22
"""Probabilities that are held at a time."""

MOST_STREAMS = 256
"""Sentences that are drawn at a time."""


def sample_text(model: LanguageModel, sentences: int, seed: int = 1, max_words: int = 1000) -> Corpus:
    """So many sentences drawn from `model`, `<unk>` among their words, as often as the model says.

    They are drawn in streams side by side: where a sentence ends, the next one begins. To a model that remembers
    earlier sentences each stream is a document. A sentence ends at `max_words` if the model goes on. The text depends
    on the seed, but on no number of threads as long as the model's distributions do not.

    Raises SettingError for a model that gives scores, numbers below 1 or a bad seed.
    """
    check_seed(seed)
    for name, value in (("sentences", sentences), ("max_words", max_words)):
        if value < 1:
            raise SettingError(f"{name} is {value}; it must be 1 or more")
    if not is_distribution(model):
        raise SettingError(f"nothing can be drawn from scores that are no probabilities ({model.signature})")
    generator = np.random.default_rng(seed)
    streams = min(sentences, max(1, min(MOST_STREAMS, BLOCK_NUMBERS // len(model.vocab))))
    state, begun = model.start(streams), streams
    going, length = np.ones(streams, bool), np.zeros(streams, np.int64)
    events: list[np.ndarray] = []
    real: list[np.ndarray] = []
    with task("sampling", sentences) as advance:
        while going.any():
            words = _draw(model.distribution(state), generator.random(streams))
            # Streams that have no sentence to draw any more go along with empty ones.
            words[~going | (length >= max_words)] = EOS
            events.append(words)
            real.append(going.copy())
            length = np.where(words == EOS, 0, length + 1)
            ended = np.flatnonzero(going & (words == EOS))
            done = ended[sentences - begun :]
            begun += len(ended) - len(done)
            going[done] = False
            _, state = model.advance(state, words)
            advance(len(ended))
    ids = np.stack(events, axis=1)[np.stack(real, axis=1)]
    return Corpus(ids, np.append(0, np.flatnonzero(ids == EOS) + 1), model.vocab)


def _draw(p: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """(n,) int32 an id for each row of p (n, V), in proportion to its numbers; `uniform` is (n,) in [0, 1).

    Where the sum passes the share `uniform` of the whole is looked for among sums of blocks of √V words, then within
    the block.
    """
    size = p.shape[1]
    width = math.isqrt(size)
    sums = np.add.reduceat(p, np.arange(0, size, width), axis=1)
    block, rest = _passed(sums, uniform * sums.sum(axis=1))
    words = block[:, None] * width + np.arange(width)
    inside = np.where(words < size, np.take_along_axis(p, np.minimum(words, size - 1), axis=1), 0.0)
    return (block * width + _passed(inside, rest)[0]).astype(np.int32)


def _passed(weights: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the first column up to which the sum of a row passes its target, and what of the target falls to it.

    Never a column of weight 0: a target beyond the whole sum, by rounding, is brought just below it.
    """
    sums = np.cumsum(weights, axis=1)
    target = np.minimum(target, np.nextafter(sums[:, -1], 0.0))
    column = (sums > target[:, None]).argmax(axis=1)
    row = np.arange(len(weights))
    return column, np.maximum(target - (sums[row, column] - weights[row, column]), 0.0)
