"""A large text drawn from a model, many sentences side by side, as what an n-gram model can be trained on."""

from __future__ import annotations

import numpy as np

from lmmix.checks import check_seed
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.lm import LanguageModel, is_distribution
from lmmix.progress import task
from lmmix.sampling import draw
from lmmix.stretches import streams
from lmmix.vocab import EOS


def sample_text(model: LanguageModel, sentences: int, seed: int = 1, max_words: int = 1000) -> Corpus:
    """So many sentences drawn from `model`, `<unk>` among their words, as often as the model says.

    They are drawn in streams side by side: where a sentence ends, the next one begins. To a model that remembers
    earlier sentences each stream is a document. A sentence ends at `max_words` if the model goes on. The text depends
    on the seed, but on no number of threads as long as the model's distributions do not.

    Raises SettingError for a model that gives scores, numbers below 1 or a bad seed.
    """
    check_sampling(sentences, seed, max_words)
    if not is_distribution(model):
        raise SettingError(f"nothing can be drawn from scores that are no probabilities ({model.signature})")
    generator = np.random.default_rng(seed)
    begun = n = min(sentences, streams(len(model.vocab)))
    state = model.start(n)
    going, length = np.ones(n, bool), np.zeros(n, np.int64)
    events: list[np.ndarray] = []
    real: list[np.ndarray] = []
    with task("sampling", sentences) as advance:
        while going.any():
            words = draw(model.distribution(state), generator.random(n))
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


def check_sampling(sentences: int, seed: int, max_words: int) -> None:
    """Raise SettingError for what `sample_text` does not take."""
    check_seed(seed)
    for name, value in (("sentences", sentences), ("max_words", max_words)):
        if value < 1:
            raise SettingError(f"{name} is {value}; it must be 1 or more")
