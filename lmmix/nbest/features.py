"""What rescoring adds to the recogniser's scores: log-probabilities of language models, and counts.

The name of a feature says what it is: ``lm:NAME`` and ``oov:NAME`` belong to a language model, ``words``, ``chars`` and
``rank`` to the hypothesis; any other name is a score that the list came with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.corpus import corpus_from_lines
from lmmix.errors import InputError, SettingError
from lmmix.lm import LanguageModel, remembers
from lmmix.nbest.lists import NbestLists
from lmmix.vocab import words_of

ZERO_BELOW = 20.0
"""How many nats a hypothesis of probability 0 stands below the least probable one of its list.

So it is worse than all others, but no number that outweighs what hundreds of lists say, and it does not depend on
other lists, so not on the block.
"""

LM, OOV = "lm:", "oov:"

COUNTS = {
    "words": lambda text: len(words_of(text)),
    "chars": lambda text: len("".join(words_of(text))),
}
"""Features that count something in the text; characters without white space."""

RANK = "rank"
"""The feature of the order in which the list came: ln 1, ln 2, …, for the first ranks differ most."""


@dataclass(frozen=True)
class LmCoverage:
    """How a language model copes with all hypotheses.

    Attributes
    ----------
    words, oov : int
        Words of all hypotheses, and those that the vocabulary lacks.
    oov_hypotheses, zeroprob_hypotheses : int
        Hypotheses with an OOV, and with probability 0.
    """

    words: int = 0
    oov: int = 0
    oov_hypotheses: int = 0
    zeroprob_hypotheses: int = 0

    def __add__(self, other: LmCoverage) -> LmCoverage:
        return LmCoverage(
            self.words + other.words,
            self.oov + other.oov,
            self.oov_hypotheses + other.oov_hypotheses,
            self.zeroprob_hypotheses + other.zeroprob_hypotheses,
        )


def add_lm_features(
    lists: NbestLists, texts: Sequence[str], model: LanguageModel, name: str, threads: int | None = None
) -> LmCoverage:
    """Add ln p(hypothesis, `</s>` included) under `model` as ``lm:NAME``, its number of OOVs as ``oov:NAME``.

    `texts` (H) are the hypotheses as the model reads them. All lists are scored as one batch, equal texts once.
    OOVs count as `<unk>`; one of probability 0 stands ZERO_BELOW the others of its list.
    Raises InputError if the lists have a score of that name, SettingError for a model that remembers earlier sentences.
    """
    _refuse_known(lists, name)
    logp, oov, coverage = _scored(texts, model, name, threads)
    lists.features[LM + name], lists.features[OOV + name] = _without_zeros(lists, logp), oov
    return coverage


def add_folded_lm_features(
    lists: NbestLists, texts: Sequence[str], models: Sequence[LanguageModel], name: str, threads: int | None = None
) -> LmCoverage:
    """The same, each utterance u under the model of its fold, u modulo K, which must not know its reference.

    For tuning on the sentences on whose references the final model is trained (cross-fitting). `lists` must be all of
    them: utterances are numbered from the first of `lists`.
    """
    _refuse_known(lists, name)
    logp, oov, coverage = np.empty(len(lists.texts)), np.empty(len(lists.texts)), LmCoverage()
    fold = lists.owner % len(models)
    for k, model in enumerate(models):
        rows = np.flatnonzero(fold == k)
        logp[rows], oov[rows], part = _scored([texts[i] for i in rows.tolist()], model, name, threads)
        coverage += part
    lists.features[LM + name], lists.features[OOV + name] = _without_zeros(lists, logp), oov
    return coverage


def _scored(
    texts: Sequence[str], model: LanguageModel, name: str, threads: int | None
) -> tuple[np.ndarray, np.ndarray, LmCoverage]:
    """(H,) log-probabilities, −∞ for 0, and (H,) numbers of OOVs of all texts."""
    if remembers(model):
        raise SettingError(
            f"{name} remembers what it reads: it would remember one hypothesis while scoring the next; "
            "use a model without memory"
        )
    if not texts:
        return np.zeros(0), np.zeros(0), LmCoverage()
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    corpus = corpus_from_lines(place, tokenizer=model.vocab.tokenizer).recode(model.vocab)
    logp = np.add.reduceat(model.score(corpus, threads), corpus.offsets[:-1])
    oov = np.bincount(corpus.sentence_of()[corpus.oov_at], minlength=corpus.n_sentences)
    words = np.diff(corpus.offsets) - 1
    index = np.fromiter(map(place.__getitem__, texts), np.int64, len(texts))
    coverage = LmCoverage(
        int(words[index].sum()),
        int(oov[index].sum()),
        int((oov[index] > 0).sum()),
        int((logp[index] == -np.inf).sum()),
    )
    return logp[index], oov[index].astype(np.float64), coverage


def _without_zeros(lists: NbestLists, logp: np.ndarray) -> np.ndarray:
    """(H,) the log-probabilities with a number for −∞; 0 in lists where all are −∞."""
    finite = logp > -np.inf
    least = np.minimum.reduceat(np.where(finite, logp, np.inf), lists.offsets[:-1])[lists.owner]
    return np.where(finite, logp, np.where(np.isinf(least), 0.0, least - ZERO_BELOW))


def add_counts(lists: NbestLists, texts: Sequence[str], names: Sequence[str]) -> None:
    """Add those of the features ``words``, ``chars`` (of `texts`) and ``rank`` that are in `names`.

    A score of that name stays as it is. Raises SettingError for another count.
    """
    check_counts(names)
    for name in names:
        if name in lists.features:
            continue
        if name in COUNTS:
            lists.features[name] = np.array([COUNTS[name](text) for text in texts], np.float64)
        else:
            lists.features[name] = np.log1p(np.arange(len(lists.texts)) - lists.offsets[lists.owner])


def check_counts(names: Sequence[str]) -> None:
    """Raise SettingError for what is no count."""
    for name in names:
        if name not in (*COUNTS, RANK):
            raise SettingError(f"there is no count {name!r}; there are {', '.join((*COUNTS, RANK))}")


def _refuse_known(lists: NbestLists, model: str) -> None:
    """Raise InputError if the lists have a score that is called like a feature of this model."""
    for name in (LM + model, OOV + model):
        if name in lists.features:
            raise InputError(f"the n-best list has a score {name!r} already; rename it or the model")
