"""What rescoring adds to the recogniser's scores: language model log-probabilities and word counts."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from lmmix.corpus import corpus_from_lines
from lmmix.lm import LanguageModel
from lmmix.nbest.lists import NbestLists

logger = logging.getLogger("lmmix")

LM_FLOOR = -1e4
"""Natural log-probability that stands for 0 in a feature, so that weights can still order hypotheses."""


@dataclass(frozen=True)
class LmCoverage:
    """How a language model copes with the hypotheses: words, OOVs, and hypotheses of probability 0."""

    words: int
    oov: int
    zeroprob_hypotheses: int


def add_lm_feature(lists: NbestLists, model: LanguageModel, name: str) -> LmCoverage:
    """Add ln p(hypothesis, `</s>` included) under `model` as the feature `name`.

    All lists are scored as one batch, equal texts once. OOVs count as `<unk>`; a hypothesis of probability 0
    gets LM_FLOOR, and a warning says how many there are.
    """
    texts = list(dict.fromkeys(lists.texts))
    place = {text: i for i, text in enumerate(texts)}
    corpus = corpus_from_lines(texts, tokenizer=model.vocab.tokenizer).recode(model.vocab)
    logp = np.add.reduceat(model.score(corpus), corpus.offsets[:-1])
    index = np.array([place[text] for text in lists.texts])
    zero = int((logp[index] == -np.inf).sum())
    if zero:
        logger.warning("%s gives %d of %d hypotheses probability 0", name, zero, len(lists.texts))
    lists.features[name] = np.maximum(logp, LM_FLOOR)[index]
    return LmCoverage(corpus.n_words, len(corpus.oov_at), zero)


def add_word_count(lists: NbestLists, name: str = "words") -> None:
    """Add the number of words of each hypothesis as the feature `name`."""
    lists.features[name] = np.array([len(text.split()) for text in lists.texts], np.float64)
