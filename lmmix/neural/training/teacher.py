"""What a teacher expects behind every history of a text: its likeliest words, asked once before training.

Any language model can teach. The text is read with the protocol alone, in several places at once; a network, whose
features come in batches, is asked faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.lm import LanguageModel, is_distribution, remembers
from lmmix.neural.backend import torch
from lmmix.neural.model import NeuralModel
from lmmix.neural.networks.softmax import PIECE
from lmmix.neural.reading import read_text
from lmmix.progress import task
from lmmix.stretches import Stretches, streams

LABEL = "asking the teacher"

Note = Callable[[np.ndarray, np.ndarray], None]
"""What is done with places (n,) of events and distributions (n, V) in place of them."""


class SoftTargets(NamedTuple):
    """What a teacher expects in place of each event of a text.

    `words` (T, k) uint16 or int32 ids of the text's vocabulary, the likeliest first; `p` (T, k) float16 their
    probabilities at the temperature. What is left to 1 is the other words'.
    """

    words: np.ndarray
    p: np.ndarray


def check_teacher(teacher: LanguageModel, corpus: Corpus) -> None:
    """Raise EventSpaceError if `teacher` has other words than `corpus`, SettingError if it gives no probabilities."""
    corpus.vocab.check_same_events(teacher.vocab, "the training text", "the teacher")
    if not is_distribution(teacher):
        raise SettingError(f"the teacher gives scores, not probabilities ({teacher.signature}); use another model")


def ask_teacher(teacher: LanguageModel, corpus: Corpus, k: int, temperature: float) -> SoftTargets:
    """The `k` likeliest words (or all events, if there are fewer) behind every history of `corpus`.

    At temperature τ a word's probability is p^(1/τ), divided by the sum of that over all words. A teacher that
    remembers earlier sentences reads the text in order. The result takes 4 bytes a word and event, 6 for a vocabulary
    of over 65,536 words.
    """
    size = len(corpus.vocab)
    shape = len(corpus.ids), min(k, size - 1)
    words = np.empty(shape, np.uint16 if size <= 1 << 16 else np.int32)
    p = np.empty(shape, np.float16)
    translation = teacher.vocab.translation(corpus.vocab)
    text = corpus.recode(teacher.vocab)

    def note(places: np.ndarray, distributions: np.ndarray) -> None:
        found, p[places] = _likeliest(distributions, shape[1], temperature)
        words[places] = translation[found]

    if isinstance(teacher, NeuralModel):
        _ask_network(teacher, text, note)
    else:
        _ask_model(teacher, text, note)
    return SoftTargets(words, p)


def _likeliest(p: np.ndarray, k: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The k greatest of each row of distributions (n, V): (n, k) places and probabilities at the temperature."""
    share = torch.from_numpy(p)
    if temperature != 1.0:
        # The likeliest word counts 1, so that not all powers vanish at a low temperature.
        share = (share / share.amax(1, keepdim=True)).float().pow_(1.0 / temperature)
    greatest, words = share.topk(k, dim=1)
    return words.numpy(), (greatest / share.sum(1, keepdim=True)).numpy()


def _ask_model(teacher: LanguageModel, text: Corpus, note: Note) -> None:
    """Tell `note` the places of events and distributions (n, V) in place of them, by any model."""
    stretches = Stretches.of(text, streams(len(text.vocab), remembers(teacher)))
    state = teacher.start(len(stretches))
    with task(LABEL, len(text.ids)) as progress:
        for step in range(len(stretches.alive())):
            words, here, places = stretches.at(step)
            note(places[here], teacher.distribution(state)[here])
            _, state = teacher.advance(state, words)
            progress(len(places[here]))


def _ask_network(teacher: NeuralModel, text: Corpus, note: Note) -> None:
    """The same by a network, which reads many events at once."""
    rows = max(1, PIECE // len(text.vocab))

    def look(features: torch.Tensor, places: np.ndarray) -> None:
        for start in range(0, len(places), rows):
            piece = slice(start, start + rows)
            note(places[piece], teacher.network.distribution(features[piece]).cpu().numpy())

    read_text(teacher.network, text, teacher.context, look, None, LABEL)
