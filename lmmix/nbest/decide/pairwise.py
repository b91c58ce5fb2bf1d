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


def word_edits(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, m) the fewest insertions, deletions and substitutions of words."""
    return _edits(candidates, references)


def character_edits(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, m) the same for characters, the space between words among them."""
    return _edits([" ".join(words) for words in candidates], [" ".join(words) for words in references])


def _edits(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> np.ndarray:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    return cdist(candidates, references, scorer=Levenshtein.distance, dtype=np.int32).astype(np.float64)


def bleu_loss(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, m) minus the BLEU of each candidate (n) against each reference (m): 13a tokens, effective order."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    texts = [tokenize(" ".join(words)).split() for words in (*candidates, *references)]
    shared = shared_ngrams(texts[: len(candidates)], texts[len(candidates) :], BLEU_ORDER)
    shape = shared[0].matches.shape
    score, orders, doubling = np.zeros(shape), np.zeros(shape), np.ones(shape)
    for one in shared:
        there = np.broadcast_to(one.candidates[:, None] > 0, shape)
        missed = there & (one.matches == 0)
        doubling *= np.where(missed, 2.0, 1.0)
        counted = np.where(missed, 1.0 / doubling, one.matches)
        score += np.where(there, np.log(np.where(there, counted, 1.0) / np.maximum(one.candidates, 1)[:, None]), 0.0)
        orders += there
    lengths = shared[0].references[None, :] / np.maximum(shared[0].candidates, 1)[:, None]
    brevity = np.minimum(0.0, 1.0 - lengths)
    matched = np.any([one.matches > 0 for one in shared], axis=0)
    return np.where(matched, -100.0 * np.exp(brevity + score / np.maximum(orders, 1.0)), 0.0)


def chrf_loss(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, m) minus the chrF of each candidate (n) against each reference (m): characters but white space, β = 2."""
    texts = ["".join("".join(words).split()) for words in (*candidates, *references)]
    shared = shared_ngrams(texts[: len(candidates)], texts[len(candidates) :], CHRF_ORDER)
    precision, recall = np.zeros(shared[0].matches.shape), np.zeros(shared[0].matches.shape)
    orders = np.zeros(precision.shape)
    for one in shared:
        precision += one.matches / np.maximum(one.candidates, 1)[:, None]
        recall += one.matches / np.maximum(one.references, 1)[None, :]
        orders += (one.candidates[:, None] > 0) & (one.references[None, :] > 0)
    precision /= np.maximum(orders, 1.0)
    recall /= np.maximum(orders, 1.0)
    weighed = BETA**2 * precision + recall
    return -100.0 * (1 + BETA**2) * precision * recall / np.where(weighed > 0, weighed, 1.0)


LOSSES: dict[str, Callable[[Sequence[Sequence[str]], Sequence[Sequence[str]]], np.ndarray]] = {
    "wer": word_edits,
    "cer": character_edits,
    "bleu": bleu_loss,
    "chrf": chrf_loss,
}
"""Losses by the name of the metric: functions of the words of n candidates and of m texts taken for references."""
