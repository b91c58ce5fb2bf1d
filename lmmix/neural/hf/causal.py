"""A causal model of transformers as a language model."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.neural.backend import ids_on, torch
from lmmix.neural.batches import Pieces
from lmmix.neural.hf.events import CELLS
from lmmix.neural.hf.model import HfModel
from lmmix.neural.model import checked_words
from lmmix.vocab import BOS, EOS

Tensor = torch.Tensor


class Histories(NamedTuple):
    """Histories of one length, which the network reads as one batch without padding.

    `rows` (m,) say where they stand in the state; `words` (m, l) is what has been read behind `<s>`; `logits`
    (m, outputs) of what comes next; `cache` keys and values as transformers keeps them, which nobody else changes.
    """

    rows: np.ndarray
    words: np.ndarray
    logits: Tensor
    cache: Any


class HfState(NamedTuple):
    """`n` histories in groups of one length each."""

    n: int
    groups: tuple[Histories, ...]


class HfCausalModel(HfModel):
    """A network that predicts the next piece (AutoModelForCausalLM); implements `lmmix.lm.LanguageModel`.

    Where a sentence would go beyond `limit`, its history is forgotten but for the last ``limit // 2`` pieces, which are
    read anew behind `<s>`.
    """

    kind = "causal"
    is_distribution = True

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p(event | events before it in its sentence); unknown words count as `<unk>`."""
        corpus = corpus.recode(self.vocab)
        pieces, first = windows(corpus, self.limit)

        def score_batch(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            batch = pieces.padded(chosen)
            wanted = (batch.places >= first[chosen, None]) & (batch.events >= 0)
            # What stands behind the end of a shorter sentence is never seen from before it.
            logits = self._read(batch.inputs, use_cache=False).logits[torch.from_numpy(wanted)]
            found = self.events.event_logp(logits, ids_on(self.device, batch.events[wanted]))
            return batch.places[wanted], found.cpu().numpy()

        return self._score_batches(corpus, pieces.batches(CELLS // self.events.outputs), score_batch, threads)

    def start(self, n: int) -> HfState:
        """`n` states before the first piece of a sentence."""
        with torch.inference_mode(), self._threads(n):
            return HfState(n, self._beginnings(np.arange(n)))

    def advance(self, state: HfState, words: np.ndarray) -> tuple[np.ndarray, HfState]:
        """(n,) float64 ln p of `words` (n,) after each history, and the state behind them, the start behind `</s>`.

        Raises SettingError unless `words` are n ids of the vocabulary.
        """
        words = checked_words(words, state.n, self.vocab)
        logp = np.empty(state.n, np.float64)
        groups: list[Histories] = []
        with torch.inference_mode(), self._threads(state.n):
            for group in state.groups:
                here = words[group.rows]
                logp[group.rows] = self.events.event_logp(group.logits, ids_on(self.device, here)).cpu().numpy()
                going = np.flatnonzero(here != EOS)
                if len(going):
                    groups.append(self._longer(_chosen(group, going, group.rows[going]), here[going]))
            return logp, HfState(state.n, (*groups, *self._beginnings(np.flatnonzero(words == EOS))))

    def distribution(self, state: HfState) -> np.ndarray:
        """(n, V) float64 probabilities of every next event; rows sum to 1, `<s>` has 0."""
        probabilities = np.empty((state.n, len(self.vocab)), np.float64)
        with torch.inference_mode(), self._threads(state.n):
            for group in state.groups:
                probabilities[group.rows] = self.events.distribution(group.logits).cpu().numpy()
        return probabilities

    def take(self, state: HfState, rows: np.ndarray) -> HfState:
        """The states of some histories, `rows` (m,), each any number of times."""
        rows = np.asarray(rows, np.int64)
        groups: list[Histories] = []
        with torch.inference_mode():
            for group in state.groups:
                place = np.full(state.n, -1)
                place[group.rows] = np.arange(len(group.rows))
                places = place[rows]
                if (places >= 0).any():
                    groups.append(_chosen(group, places[places >= 0], np.flatnonzero(places >= 0)))
        return HfState(len(rows), tuple(groups))

    def _beginnings(self, rows: np.ndarray) -> tuple[Histories, ...]:
        """The histories of no word; they are all the same, so the network reads one."""
        if not len(rows):
            return ()
        one = self._from_beginning(np.zeros(1, np.int64), np.zeros((1, 0), np.int64))
        return (_chosen(one, np.zeros(len(rows), np.int64), rows),)

    def _from_beginning(self, rows: np.ndarray, words: np.ndarray) -> Histories:
        inputs = np.concatenate([np.full((len(words), 1), BOS), words], axis=1)
        read = self._read(inputs, use_cache=True)
        return Histories(rows, words, read.logits[:, -1], read.past_key_values)

    def _longer(self, group: Histories, behind: np.ndarray) -> Histories:
        """The histories with one more word each; takes the cache of `group` over."""
        words = np.concatenate([group.words, behind[:, None]], axis=1)
        length = words.shape[1]
        if length == self.limit:
            return self._from_beginning(group.rows, words[:, length - length // 2 :])
        read = self._read(behind[:, None], use_cache=True, past_key_values=group.cache)
        return Histories(group.rows, words, read.logits[:, -1], read.past_key_values)


def windows(corpus: Corpus, limit: int | None) -> tuple[Pieces, np.ndarray]:
    """The sentences, in parts that overlap where they are longer than `limit`; each is read from `<s>` on.

    Also (P,) int64 the place of the first event that a part is there for; those before it are its context only.
    """
    begin, end = corpus.offsets[:-1], corpus.offsets[1:]
    if limit is None:
        return Pieces(corpus.ids, begin, end, np.ones(len(begin), bool)), begin
    step = limit - limit // 2
    parts = 1 + np.maximum(0, -(-(end - begin - limit) // step))
    number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    part_begin = np.repeat(begin, parts) + number * step
    part_end = np.minimum(part_begin + limit, np.repeat(end, parts))
    first = np.where(number == 0, part_begin, part_begin + limit // 2)
    return Pieces(corpus.ids, part_begin, part_end, np.ones(len(number), bool)), first


def _chosen(group: Histories, places: np.ndarray, rows: np.ndarray) -> Histories:
    """Some of a group's histories, `places` (m,), as `rows` of a state, with a cache of their own."""
    # The network writes into the cache that it is given, and the old state lives on.
    cache = copy.deepcopy(group.cache)
    chosen = torch.from_numpy(places).to(group.logits.device)
    cache.batch_select_indices(chosen)
    return Histories(rows, group.words[places], group.logits[chosen], cache)
