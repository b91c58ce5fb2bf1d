"""A masked model of transformers, which scores whole sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.neural.backend import ids_on, torch
from lmmix.neural.hf.events import CELLS
from lmmix.neural.hf.model import HfModel
from lmmix.vocab import BOS, Vocab

REFUSAL = "a masked model scores whole sentences: it has no probability of a next word; use a causal one"


class HfMaskedModel(HfModel):
    """A network that predicts a piece from those around it (AutoModelForMaskedLM): pseudo-log-likelihoods.

    Each event in turn, `</s>` among them, is replaced by the mask, and its score is ln p of the event from all others
    (Salazar et al. 2020, equation 1). Scores of sentences compare with each other; they are no probabilities.
    """

    kind = "masked"
    is_distribution = False

    def __init__(self, network: Any, vocab: Vocab, events: Any, limit: int | None, digest: str, mask: int) -> None:
        super().__init__(network, vocab, events, limit, digest)
        self.mask = mask

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) float64 ln p(event | all other events of its sentence); unknown words count as `<unk>`.

        Raises InputError for a sentence that is longer than the model's limit.
        """
        corpus = corpus.recode(self.vocab)
        lengths = np.diff(corpus.offsets)
        if self.limit is not None and len(lengths) and lengths.max() >= self.limit:
            raise InputError(
                f"sentence {int(lengths.argmax()) + 1} has {lengths.max() - 1} pieces; the model reads at most "
                f"{self.limit - 2}: cut the sentence"
            )
        begin = np.repeat(corpus.offsets[:-1], lengths)

        def score_batch(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            first, rows = begin[places], np.arange(len(places))
            length = lengths[np.searchsorted(corpus.offsets, first[0])]
            words = np.concatenate(
                [np.full((len(places), 1), BOS), corpus.ids[first[:, None] + np.arange(length)]], axis=1
            )
            inputs = self.events.inputs[ids_on(self.device, words)]
            masked = ids_on(self.device, places - first + 1)
            inputs[torch.from_numpy(rows), masked] = self.mask
            logits = self.network(input_ids=inputs, attention_mask=torch.ones_like(inputs)).logits[rows, masked]
            return places, self.events.event_logp(logits, ids_on(self.device, corpus.ids[places])).cpu().numpy()

        return self._score_batches(corpus, _batches(lengths, self.events.outputs), score_batch, threads)

    def start(self, n: int) -> Any:
        """Raises SettingError: there is no next word."""
        raise SettingError(REFUSAL)

    def advance(self, state: Any, words: np.ndarray) -> tuple[np.ndarray, Any]:
        """Raises SettingError: there is no next word."""
        raise SettingError(REFUSAL)

    def distribution(self, state: Any) -> np.ndarray:
        """Raises SettingError: there is no next word."""
        raise SettingError(REFUSAL)


def _batches(lengths: np.ndarray, outputs: int) -> list[np.ndarray]:
    """Places of events, each batch from sentences of one length, so that nothing is padded."""
    own = np.repeat(lengths, lengths)
    order = np.argsort(own, kind="stable")
    batches: list[np.ndarray] = []
    for places in np.split(order, np.flatnonzero(np.diff(own[order])) + 1):
        if len(places):
            size = max(1, CELLS // (outputs * (int(own[places[0]]) + 1)))
            batches += [places[start : start + size] for start in range(0, len(places), size)]
    return batches
