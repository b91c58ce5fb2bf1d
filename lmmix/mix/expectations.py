"""The histories of a text, with what several models expect behind each of them: blocks of whole distributions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.checks import check_seed
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.lm import LanguageModel, is_distribution, remembers
from lmmix.mix.members import advanced, distributions, ids_of_members
from lmmix.progress import task
from lmmix.stretches import Stretches, streams

MOST_STREAMS = 64


@dataclass(frozen=True)
class Block:
    """Distributions of K models behind n histories.

    Attributes
    ----------
    p : (K, n, V)
    words : (n,)
        The event that came.
    places : (n,)
        Its place in the text.
    """

    p: np.ndarray
    words: np.ndarray
    places: np.ndarray


class Expectations:
    """What `models` expect behind the histories of `corpus`, in the ids of the first model.

    The text is read in several places at once, each beginning with a sentence, but from its beginning if a model
    remembers earlier sentences. With `most`, only so many histories are looked at, or a few more, drawn with `seed`.

    Attributes
    ----------
    corpus : Corpus
        The text in the ids of the first model.
    total : int
        Histories that are looked at.

    Raises SettingError for no models, for one that gives scores instead of probabilities, `most` below 1, or no seed;
    EventSpaceError for different vocabularies.
    """

    def __init__(self, models: Sequence[LanguageModel], corpus: Corpus, most: int | None = None, seed: int = 0) -> None:
        if not models:
            raise SettingError("no models to mix")
        if most is not None and most < 1:
            raise SettingError(f"histories is {most}; it must be 1 or more")
        self.models = list(models)
        check_seed(seed)
        vocab = models[0].vocab
        for k, model in enumerate(models, start=1):
            vocab.check_same_events(model.vocab, "model 1", f"model {k}")
            if not is_distribution(model):
                raise SettingError(f"model {k} gives scores, not probabilities ({model.signature})")
        self._ids = ids_of_members(vocab, models)
        self.corpus = corpus.recode(vocab)
        self._stretches = self._cut()
        self._steps, self.total = self._choose(most, seed)

    def _cut(self) -> Stretches:
        """The stretches of the text that are read side by side."""
        numbers = len(self.corpus.vocab) * len(self.models)
        return Stretches.of(self.corpus, streams(numbers, any(map(remembers, self.models)), MOST_STREAMS))

    def _choose(self, most: int | None, seed: int) -> tuple[np.ndarray, int]:
        """(the steps at which all streams are looked at, in order; the histories that makes)."""
        alive = self._stretches.alive()
        drawn = np.random.default_rng(seed).permutation(len(alive))
        if most is not None:
            drawn = drawn[: np.searchsorted(alive[drawn].cumsum(), most) + 1]
        return np.sort(drawn), int(alive[drawn].sum())

    def blocks(self) -> Iterator[Block]:
        """Read the text once."""
        states = [model.start(len(self._stretches)) for model in self.models]
        chosen = set(self._steps.tolist())
        with task("reading histories", max(chosen) + 1) as advance:
            for step in range(max(chosen) + 1):
                words, here, places = self._stretches.at(step)
                if step in chosen:
                    p = np.stack([part[here] for part in distributions(self.models, self._ids, states)])
                    yield Block(p, words[here], places[here])
                _, states = advanced(self.models, self._ids, states, words)
                advance(1)

    def describe(self, place: int) -> str:
        """Where an event stands, for messages."""
        return f"sentence {int(np.searchsorted(self.corpus.offsets, place, side='right'))}"
