"""What rescoring adds to the recogniser's scores: language model log-probabilities and word counts."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from lmmix.corpus import corpus_from_lines
from lmmix.errors import InputError, SettingError
from lmmix.lm import LanguageModel, remembers
from lmmix.metrics import words_of
from lmmix.nbest.lists import NbestLists
from lmmix.vocab import BOS, EOS, SPECIALS

logger = logging.getLogger("lmmix")

LM_FLOOR = -1e4
"""Natural log-probability that stands for 0 in a feature, so that weights can still order hypotheses."""


@dataclass(frozen=True)
class LmCoverage:
    """How a language model copes with all hypotheses: their words, OOVs, and how many have probability 0."""

    words: int
    oov: int
    zeroprob_hypotheses: int


def add_lm_feature(lists: NbestLists, model: LanguageModel, name: str) -> LmCoverage:
    """Add ln p(hypothesis, `</s>` included) under `model` as the feature `name`.

    All lists are scored as one batch, equal texts once. OOVs count as `<unk>`; a hypothesis of probability 0
    gets LM_FLOOR, or less if another one has less, and a warning says how many there are. Raises InputError if
    the lists have a score of that name, SettingError for a model that remembers earlier sentences.
    """
    if remembers(model):
        raise SettingError(
            f"{name} remembers what it reads: it would remember one hypothesis while scoring the next; "
            "use a model without memory"
        )
    if name in lists.features:
        raise InputError(f"the n-best list has a score {name!r} already; rename it or the model")
    _refuse_sentence_marks(lists)
    texts = list(dict.fromkeys(lists.texts))
    place = {text: i for i, text in enumerate(texts)}
    corpus = corpus_from_lines(texts, tokenizer=model.vocab.tokenizer).recode(model.vocab)
    logp = np.add.reduceat(model.score(corpus), corpus.offsets[:-1])
    index = np.array([place[text] for text in lists.texts])
    finite = logp[logp > -np.inf]
    floor = min(LM_FLOOR, float(finite.min())) if len(finite) else LM_FLOOR
    lists.features[name] = np.where(logp > -np.inf, logp, floor)[index]
    zero = int((logp[index] == -np.inf).sum())
    if zero:
        logger.warning("%s gives %d of %d hypotheses probability 0", name, zero, len(lists.texts))
    oov = np.bincount(corpus.sentence_of()[corpus.oov_at], minlength=corpus.n_sentences)
    words = np.diff(corpus.offsets) - 1
    return LmCoverage(int(words[index].sum()), int(oov[index].sum()), zero)


def _refuse_sentence_marks(lists: NbestLists) -> None:
    for i, text in enumerate(lists.texts):
        for mark in SPECIALS[BOS : EOS + 1]:
            if mark in text and mark in words_of(text):
                name = lists.ids[int(np.searchsorted(lists.offsets, i, side="right")) - 1]
                raise InputError(f"a hypothesis of utterance {name!r} holds {mark}; lmmix adds sentence ends itself")


def add_word_count(lists: NbestLists, name: str = "words") -> None:
    """Add the number of words of each hypothesis as the feature `name`, unless the lists have such a score."""
    if name not in lists.features:
        lists.features[name] = np.array([len(words_of(text)) for text in lists.texts], np.float64)
