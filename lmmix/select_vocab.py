"""Choosing a vocabulary from several texts for the use that a held-out text shows.

Venkataraman & Wang (2003), "Techniques for effective vocabulary selection": a mixture of the unigram models of the
texts gets the weights that make the held-out text most likely, and words are ranked by what the mixture says. So a
small text of the right kind has more say than a large one of another kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.mix.em import fit_em
from lmmix.vocab import SPECIALS, Vocab


@dataclass(frozen=True)
class VocabSelection:
    """A vocabulary chosen on held-out text.

    Attributes
    ----------
    vocab : Vocab
        The words, the most probable first.
    weights : (K,) float64
        Weight of each text in the mixture; they sum to 1.
    oov : int
        Words of the held-out text, each time they occur, that are not in `vocab`.
    """

    vocab: Vocab
    weights: np.ndarray
    oov: int


def select_vocab(
    corpora: Iterable[Corpus], held_out: Corpus, size: int | None = None, min_count: int = 1
) -> VocabSelection:
    """The `size` words that the mixture of the corpora's unigram models, fitted to `held_out`, finds most probable.

    Each corpus, with whatever vocabulary, gives a unigram model over the words of all corpora, smoothed as by Witten
    and Bell: p(w) = (c(w) + T/V) / (N + T), where T of the V words occur in it, N times in all. `</s>` is no word
    here. Held-out words that are in no corpus have no part in the weights. Equally probable words come in the order
    of the corpora and of their ids. `min_count` leaves out words that are rarer in all corpora together.

    Raises SettingError, EventSpaceError for different tokenisers, InputError where `held_out` shares no word with
    the corpora.
    """
    if size is not None and size < 1:
        raise SettingError(f"size is {size}; it must be 1 or more")
    if min_count < 1:
        raise SettingError(f"min_count is {min_count}; it must be 1 or more")
    unigrams = [(corpus.vocab, corpus.word_counts()) for corpus in corpora]
    if not unigrams:
        raise SettingError("no corpus to select words from")
    words = dict.fromkeys(word for vocab, _ in unigrams for word in vocab.words)
    union = Vocab.from_words(words, held_out.vocab.tokenizer)
    counts = np.stack([_word_counts(vocab, count, union) for vocab, count in unigrams])
    own = counts.sum(axis=0) > 0
    counts, candidates = counts[:, own], np.flatnonzero(own)
    if not len(candidates):
        raise InputError("the texts hold no word to select")
    wanted = _word_counts(held_out.vocab, held_out.word_counts(), union)[candidates]
    p = _witten_bell(counts)
    seen = np.flatnonzero(wanted)
    if not len(seen):
        raise InputError("the held-out text has no word in common with the others, so it cannot tell which to take")
    weights = fit_em(np.log(p[:, seen].T), counts=wanted[seen]).weights
    total = counts.sum(axis=0)
    ranked = np.argsort(-(weights @ p), kind="stable")
    ranked = ranked[total[ranked] >= min_count][:size]
    if not len(ranked):
        raise SettingError(f"no word occurs {min_count} times or more; lower min_count")
    chosen = Vocab.from_words([union.words[i] for i in candidates[ranked]], union.tokenizer)
    return VocabSelection(chosen, weights, len(held_out.recode(chosen).oov_at))


def _word_counts(vocab: Vocab, count: np.ndarray, union: Vocab) -> np.ndarray:
    """(len(union),) int64: `count` (V,) of the words of `vocab` in the ids of `union`; 0 for the special words."""
    counts = np.bincount(vocab.translation(union), count, len(union)).astype(np.int64)
    counts[: len(SPECIALS)] = 0
    return counts


def _witten_bell(counts: np.ndarray) -> np.ndarray:
    """(K, V) smoothed probabilities of the unigrams with the given counts."""
    types = (counts > 0).sum(axis=1, keepdims=True)
    return (counts + types / counts.shape[1]) / (counts.sum(axis=1, keepdims=True) + types)
