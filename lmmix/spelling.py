"""How probable a spelling is: a character n-gram model of the words of a vocabulary."""

from __future__ import annotations

import numpy as np

from lmmix.corpus import corpus_from_lines
from lmmix.vocab import SPECIALS, UNK, Vocab

ORDER = 4
SMOOTHING = "wb"


def spelling_shares(vocab: Vocab, order: int = ORDER) -> np.ndarray:
    """(V,) probability that a spelling is that of each word; at `<unk>` that of all spellings of no word here.

    They sum to 1. The model is a Witten–Bell n-gram model of characters with the words of the vocabulary, once each,
    as its text. It knows all spellings, for one of its events is any other character. `<s>` and `</s>` have 0.
    """
    from lmmix.ngram.estimate import train_ngram

    shares = np.zeros(len(vocab))
    spellings = corpus_from_lines(" ".join(word) for word in vocab.words[len(SPECIALS) :])
    logp = train_ngram(spellings, order, SMOOTHING).score(spellings)
    shares[len(SPECIALS) :] = np.exp(np.add.reduceat(logp, spellings.offsets[:-1]))
    shares[UNK] = max(0.0, 1.0 - shares.sum())
    return shares
