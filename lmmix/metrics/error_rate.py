"""Word and character error rate, counted as NIST's sclite does. The edit distance is rapidfuzz's.

sclite aligns with costs 3 for an insertion or a deletion and 4 for a substitution, so that words which are right stay
so; the fewest edits in all may be one less in rare cases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix import __version__
from lmmix.errors import InputError
from lmmix.metrics.normalise import Normaliser
from lmmix.vocab import words_of

GAP, SUBSTITUTION = 3, 4
"""Costs of sclite's alignment."""

_FINE = 1 << 20
"""Fineness of the costs: of alignments that cost the same the one with the fewest substitutions counts."""


class _ErrorRate:
    """Errors per unit of the reference; the statistics of a text are its four counts."""

    name: str
    higher_is_better = False
    factor = 100.0
    linear = True
    columns = ("substitutions", "insertions", "deletions", "reference")

    def __init__(self, normaliser: Normaliser) -> None:
        self.normaliser = normaliser

    @property
    def signature(self) -> str:
        """Every choice that affects the values."""
        return f"{self.name}|{self.normaliser.signature}|costs:sclite|lmmix:{__version__}"

    def statistics(self, references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """(n, 4) counts against the one reference. Raises InputError if there are several."""
        if len(references) != 1:
            raise InputError(f"{self.name} compares with one reference, not with {len(references)}; give one of them")
        reference = self.units(self.normaliser(references[0]))
        return np.array([self.counts(reference, self.units(self.normaliser(text))) for text in texts], np.float64)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) errors / length of the reference; nan for a reference without length."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = sums[..., :3].sum(axis=-1) / sums[..., 3]
        return np.where(sums[..., 3] > 0, rate, np.nan)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) errors."""
        return statistics[:, :3].sum(axis=1)

    def units(self, text: str) -> Sequence[str]:
        """What the rate counts."""
        raise NotImplementedError

    @staticmethod
    def counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
        """(substitutions, insertions, deletions, length of the reference) of sclite's alignment."""
        from rapidfuzz.distance import Levenshtein

        gap, substitution = GAP * _FINE, SUBSTITUTION * _FINE + 1
        cost, substitutions = divmod(
            Levenshtein.distance(reference, hypothesis, weights=(gap, gap, substitution)), _FINE
        )
        gaps = (cost - SUBSTITUTION * substitutions) // GAP
        insertions = (gaps + len(hypothesis) - len(reference)) // 2
        return substitutions, insertions, gaps - insertions, len(reference)


class WordErrorRate(_ErrorRate):
    """Word error rate: substitutions, insertions and deletions of words, as `sclite` counts them."""

    name = "wer"

    def units(self, text: str) -> Sequence[str]:
        """Words."""
        return words_of(text)


class CharacterErrorRate(_ErrorRate):
    """Character error rate over characters and the single space between words (see `nospace` of `normalise`)."""

    name = "cer"

    def units(self, text: str) -> Sequence[str]:
        """Characters."""
        return " ".join(words_of(text))
