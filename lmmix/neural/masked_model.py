"""`MaskedModel`: a network that guesses words from both sides, and its pseudo-log-likelihood of sentences."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.lm import NO_DISTRIBUTION, SEES_AHEAD, State
from lmmix.logmath import perplexity
from lmmix.neural.backend import ids_on, torch
from lmmix.neural.batches import PADDING, Batch, Pieces
from lmmix.neural.network_model import NetworkModel
from lmmix.neural.networks.masked import MASK, MaskedNetwork
from lmmix.neural.reading import READ_TOKENS, Advance, map_batches
from lmmix.vocab import BOS, EOS

SPAN = 256
"""Places that the network reads at most, `<s>` and `</s>` among them: those around the word in question, if a sentence
has more."""

STRIDE = 7
"""In validation every seventh word is masked at a time: about as many as in training."""


class MaskedModel(NetworkModel):
    """A network with its vocabulary that scores whole sentences, for reranking.

    The score of a word is ln p of this word, given all other words of its sentence: it is masked, the rest is there.
    The sum over a sentence is its pseudo-log-likelihood (Salazar et al. 2020). `</s>` is given and never guessed: its
    score is 0, so that the scores have a place for each event and add up to the published sum. Sentences are
    independent. The scores are not those of a distribution over texts: there is no next word to ask for, and
    perplexities of them cannot be compared with others.
    """

    network: MaskedNetwork

    def signs(self) -> list[str]:
        """See `NetworkModel.signs`."""
        return [SEES_AHEAD, NO_DISTRIBUTION]

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p(word | all other words of its sentence), 0 for `</s>`; unknown words count as `<unk>`."""
        corpus = corpus.recode(self.vocab)
        logp = np.zeros(len(corpus.ids), np.float64)
        copies = Copies.of(corpus)

        def score_batch(chosen: np.ndarray, advance: Advance) -> None:
            logp[copies.place[chosen]] = self._logp(*copies.of_one_length(chosen))
            advance(len(chosen))

        batches = copies.batches(READ_TOKENS)
        map_batches(score_batch, batches, self.device, threads, "scoring with a masked model", len(copies.place))
        return logp

    def validation_perplexity(self, corpus: Corpus) -> float:
        """What training goes by: the pseudo-perplexity of a text for a word, in a cheap form.

        Words `STRIDE` apart are masked at the same time, so a sentence is read `STRIDE` times, not once a word.
        Raises InputError for a text without words.
        """
        pieces = Pieces.of(corpus.recode(self.vocab), SPAN - 1)

        def batch_logp(chosen: np.ndarray, advance: Advance) -> np.ndarray:
            words = whole_sequences(pieces.padded(chosen))
            column = np.arange(words.shape[1])
            asked = [is_word(words) & (column % STRIDE == first) for first in range(min(STRIDE, len(column)))]
            kept = [one.any(1) for one in asked]
            advance(len(chosen))
            return np.concatenate([self._logp(words[rows], one[rows]) for one, rows in zip(asked, kept)])

        batches = pieces.batches(READ_TOKENS)
        found = map_batches(batch_logp, batches, self.device, None, "validating a masked model", len(pieces.begin))
        logp = np.concatenate([np.empty(0), *found])
        if not len(logp):
            raise InputError("the validation text has no words, and a masked model is judged by nothing else")
        return perplexity(float(logp.sum()), len(logp))

    def _logp(self, words: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """ln p of those of `words` (B, L) that are `asked` for (B, L) bool, row by row."""
        with torch.inference_mode():
            features, _ = self.network(ids_on(self.device, np.where(asked, MASK, words)), ())
            chosen = features[torch.from_numpy(asked).to(self.device)]
            return self.network.event_logp(chosen, ids_on(self.device, words[asked])).cpu().numpy()

    def start(self, n: int) -> State:
        """Raises SettingError: there is no history without what follows."""
        _cannot()

    def advance(self, state: State, words: np.ndarray) -> tuple[np.ndarray, State]:
        """Raises SettingError, as `start`."""
        _cannot()

    def distribution(self, state: State) -> np.ndarray:
        """Raises SettingError, as `start`."""
        _cannot()


class Copies(NamedTuple):
    """Sentences with one word masked each; arrays are (N,), a number for each word of a text.

    `ids` (T,) the events of the text; `place` of the masked word in it; `begin` and `length` of what is read around it:
    the whole sentence with `<s>`, or `SPAN` places of a longer one; `first` whether it begins with `<s>`.
    """

    ids: np.ndarray
    place: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, corpus: Corpus) -> Copies:
        """One for each word of `corpus`."""
        events = np.diff(corpus.offsets)
        place = np.flatnonzero(corpus.ids != EOS)
        start, end = (np.repeat(side, events)[place] for side in (corpus.offsets[:-1] - 1, corpus.offsets[1:]))
        length = np.minimum(end - start, SPAN)
        begin = np.clip(place - SPAN // 2, start, end - length)
        return cls(corpus.ids, place, begin, length, begin == start)

    def batches(self, tokens: int) -> list[np.ndarray]:
        """Copies of one length each, and together of at most `tokens` places, where one alone has no more."""
        order = np.argsort(self.length, kind="stable")
        lengths = self.length[order]
        groups = np.split(order, np.flatnonzero(np.diff(lengths)) + 1)
        rows = [max(1, tokens // int(self.length[group[0]])) for group in groups if len(group)]
        return [group[i : i + size] for group, size in zip(groups, rows) for i in range(0, len(group), size)]

    def of_one_length(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B, L) the words of the copies `chosen`, and which of them is the masked one."""
        places = self.begin[chosen, None] + np.arange(self.length[chosen[0]])
        words = self.ids[places].astype(np.int64)
        words[self.first[chosen], 0] = BOS
        return words, places == self.place[chosen, None]


def whole_sequences(batch: Batch) -> np.ndarray:
    """(B, L + 1) what stands before the first event of each text of a batch, and its events."""
    return np.concatenate([batch.inputs[:, :1], batch.events], 1)


def is_word(words: np.ndarray) -> np.ndarray:
    """(B, L) bool which of `words` can be guessed: words, and not what stands before the first of them."""
    guessed = (words != PADDING) & (words != EOS)
    guessed[:, 0] = False
    return guessed


def _cannot() -> NoReturn:
    raise SettingError(
        "a masked model scores whole sentences and has no probabilities of a next word; use it to rescore n-best lists"
    )
