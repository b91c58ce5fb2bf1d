"""Scores of single sentences given as strings: one call of a kernel each."""

from __future__ import annotations

from functools import partial

import numpy as np

from lmmix.errors import InputError
from lmmix.ngram import _sentence_kernels as kernels
from lmmix.ngram.tree import NgramTree
from lmmix.tokenize import Tokenizer, WhitespaceTokenizer, tokenizer
from lmmix.vocab import SPACE, SPECIALS, Vocab


class SentenceScorer:
    """Scores sentences with a back-off model; keeps the arrays alive whose addresses the kernels get."""

    def __init__(self, tree: NgramTree, logp: np.ndarray, backoff: np.ndarray, vocab: Vocab) -> None:
        made_by = tokenizer(vocab.tokenizer)
        # UTF-8 tokens with space between them; words are so already.
        words = isinstance(made_by, WhitespaceTokenizer)
        self._tokens = _tokens_of_words if words else partial(_tokens_of, made_by)
        self._kept: dict[int, np.ndarray] = {
            kernels.WORD: np.ascontiguousarray(tree.word, np.int32),
            kernels.BEGIN: np.ascontiguousarray(tree.begin, np.int32),
            kernels.SUFFIX: np.ascontiguousarray(tree.suffix, np.int32),
            kernels.LOGP: np.ascontiguousarray(logp, np.float64),
            kernels.BACKOFF: np.ascontiguousarray(backoff, np.float64),
            kernels.LEVEL: np.ascontiguousarray(tree.level, np.int64),
            kernels.POOL: np.ascontiguousarray(vocab.pool, np.uint8),
            kernels.WORD_BEGIN: np.ascontiguousarray(vocab.begin, np.int64),
            kernels.TABLE: np.ascontiguousarray(vocab.table, np.int32),
        }
        self._arrays = np.zeros((len(self._kept), 2), np.int64)
        for row, array in self._kept.items():
            self._arrays[row] = array.ctypes.data, array.size

    def score(self, text: str, bos: bool, eos: bool) -> float:
        """See `lmmix.ngram.backoff.BackoffModel.score_sentence`."""
        total = kernels._score_sentence(self._tokens(text), self._arrays, bos, eos)
        if total != total:
            raise _special_word(text)
        return total

    def events(self, text: str, bos: bool, eos: bool) -> np.ndarray:
        """See `lmmix.ngram.backoff.BackoffModel.full_scores`."""
        tokens = self._tokens(text)
        try:
            return kernels._score_events(tokens, self._arrays, bos, eos)
        except ValueError:
            raise _special_word(text) from None


def _tokens_of_words(text: str) -> bytearray:
    try:
        return bytearray(text, "utf-8")
    except UnicodeEncodeError as error:
        raise _surrogate(text, error) from None


def _tokens_of(made_by: Tokenizer, text: str) -> bytearray:
    try:
        return bytearray(made_by.transform(" ".join(text.split("\n")).encode()))
    except UnicodeEncodeError as error:
        raise _surrogate(text, error) from None


def _surrogate(text: str, error: UnicodeEncodeError) -> InputError:
    return InputError(
        f"{text[:80]!r}: character {error.start + 1} is half of a surrogate pair, which is no character; "
        "decode the text from its bytes again"
    )


def _special_word(text: str) -> InputError:
    word = next((word for word in SPACE.split(text) if word in SPECIALS[1:]), "<s> or </s>")
    return InputError(
        f"{text[:80]!r}: {word} stands inside the sentence; it is added by lmmix itself: remove it "
        "(bos and eos say whether it counts)"
    )
