"""How bad each text of a list would be if another one of it were right: the losses of minimum Bayes risk.

The word and character error rate count plain edits (costs 1), the sentence scores of BLEU and chrF are those of
sacrebleu's `sentence_bleu` and `sentence_chrf`, computed for all pairs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lmmix.nbest.decide.shared_ngrams import shared_ngrams

BLEU_ORDER, CHRF_ORDER = 4, 6
BETA = 2
"""The weight of recall in chrF."""


def word_edits(texts: Sequence[Sequence[str]], heard: np.ndarray) -> np.ndarray:
    """(n, m) the fewest insertions, deletions and substitutions of words."""
    return _edits(texts, heard)


def character_edits(texts: Sequence[Sequence[str]], heard: np.ndarray) -> np.ndarray:
    """(n, m) the same for characters, the space between words among them."""
    return _edits([" ".join(words) for words in texts], heard)


def _edits(texts: Sequence[Sequence[str]], heard: np.ndarray) -> np.ndarray:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    # Of the distances between a list and itself rapidfuzz computes one half.
    others = texts if len(heard) == len(texts) else [texts[i] for i in heard]
    return cdist(texts, others, scorer=Levenshtein.distance, dtype=np.int32).astype(np.float64)


def bleu_loss(texts: Sequence[Sequence[str]], heard: np.ndarray) -> np.ndarray:
    """(n, m) minus the BLEU of each text (n) against each reference (m): 13a tokens, effective order."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    shared = shared_ngrams([tokenize(" ".join(words)).split() for words in texts], heard, BLEU_ORDER)
    shape = shared[0].matches.shape
    score, orders, doubling = np.zeros(shape), np.zeros(shape), np.ones(shape)
    for one in shared:
        there = np.broadcast_to(one.counts[:, None] > 0, shape)
        missed = there & (one.matches == 0)
        doubling *= np.where(missed, 2.0, 1.0)
        counted = np.where(missed, 1.0 / doubling, one.matches)
        score += np.where(there, np.log(np.where(there, counted, 1.0) / np.maximum(one.counts, 1)[:, None]), 0.0)
        orders += there
    lengths = shared[0].counts[None, heard] / np.maximum(shared[0].counts, 1)[:, None]
    brevity = np.minimum(0.0, 1.0 - lengths)
    matched = np.any([one.matches > 0 for one in shared], axis=0)
    return np.where(matched, -100.0 * np.exp(brevity + score / np.maximum(orders, 1.0)), 0.0)


def chrf_loss(texts: Sequence[Sequence[str]], heard: np.ndarray) -> np.ndarray:
    """(n, m) minus the chrF of each text (n) against each reference (m): characters but white space, β = 2."""
    shared = shared_ngrams(["".join("".join(words).split()) for words in texts], heard, CHRF_ORDER)
    precision, recall = np.zeros(shared[0].matches.shape), np.zeros(shared[0].matches.shape)
    orders = np.zeros(precision.shape)
    for one in shared:
        precision += one.matches / np.maximum(one.counts, 1)[:, None]
        recall += one.matches / np.maximum(one.counts, 1)[None, heard]
        orders += (one.counts[:, None] > 0) & (one.counts[None, heard] > 0)
    precision /= np.maximum(orders, 1.0)
    recall /= np.maximum(orders, 1.0)
    weighed = BETA**2 * precision + recall
    return -100.0 * (1 + BETA**2) * precision * recall / np.where(weighed > 0, weighed, 1.0)


LOSSES: dict[str, Callable[[Sequence[Sequence[str]], np.ndarray], np.ndarray]] = {
    "wer": word_edits,
    "cer": character_edits,
    "bleu": bleu_loss,
    "chrf": chrf_loss,
}
"""Losses by the name of the metric: functions of the words of n texts, and of those (m,) that are references."""
