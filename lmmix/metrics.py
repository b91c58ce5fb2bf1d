"""Word error rate. The edit distance is rapidfuzz's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lmmix.vocab import SPACE


@dataclass(frozen=True)
class ErrorCount:
    """Errors against reference words; counts add up, so the rate of a text is that of the sum."""

    errors: int
    words: int

    def __add__(self, other: ErrorCount) -> ErrorCount:
        return ErrorCount(self.errors + other.errors, self.words + other.words)

    @property
    def rate(self) -> float:
        """Errors per reference word; nan without reference words."""
        return self.errors / self.words if self.words else float("nan")


def words_of(text: str) -> list[str]:
    """The words of a text: what stands between white space, as everywhere in lmmix."""
    return [word for word in SPACE.split(text) if word]


def word_errors(reference: str, hypothesis: str) -> int:
    """Fewest substitutions, insertions and deletions of words that turn the reference into the hypothesis."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(words_of(reference), words_of(hypothesis))


def errors_of_lists(references: Iterable[str], hypotheses: Iterable[Iterable[str]]) -> list[np.ndarray]:
    """For each list of hypotheses an (n,) int64 array with the word errors of each against its reference."""
    return [
        np.array([word_errors(reference, text) for text in texts], np.int64)
        for reference, texts in zip(references, hypotheses)
    ]
