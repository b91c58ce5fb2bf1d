"""From a text to an n-gram model."""

from __future__ import annotations

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.counts import count_ngrams
from lmmix.ngram.kneser_ney import estimate_kneser_ney

SMOOTHINGS = {"mkn": estimate_kneser_ney}


def train_ngram(corpus: Corpus, order: int = 5, smoothing: str = "mkn", threads: int | None = None) -> BackoffModel:
    """Count the n-grams of `corpus` and smooth them.

    Parameters
    ----------
    corpus : Corpus
        Its vocabulary becomes that of the model; words of the vocabulary that do not occur get their share
        of the uniform distribution.
    order : int
        Length of the longest n-grams, 1 or more.
    smoothing : {"mkn"}
        Interpolated modified Kneser–Ney.
    threads : int, optional
        Default: all cores. The result does not depend on it.

    Raises SettingError for an order below 1 or an unknown smoothing.
    """
    if smoothing not in SMOOTHINGS:
        raise SettingError(f"smoothing is {smoothing!r}; there is {', '.join(SMOOTHINGS)}")
    counts = count_ngrams(corpus, order, threads)
    return SMOOTHINGS[smoothing](counts, corpus.vocab, threads)
