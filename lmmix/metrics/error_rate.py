"""Word, character and sentence error rate, counted as NIST's sclite does.

sclite aligns with costs 3 for an insertion or a deletion and 4 for a substitution, so that words which are right stay
so; the fewest edits in all may be one less in rare cases. Of ways to get to a place that cost the same it takes the
one that ends with two words together before the one that ends with an insertion, and this before a deletion. So the
counts, and the alignments, are its own: a text of words that sclite takes as they are (`-s`, no alternatives in
braces, no `@`) gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from lmmix import __version__
from lmmix.errors import InputError
from lmmix.metrics.normalise import Normaliser
from lmmix.vocab import words_of

GAP, SUBSTITUTION = 3, 4
"""Costs of sclite's alignment."""


class ErrorRate:
    """Errors per unit of the reference; the statistics of a text are its four counts."""

    name: str
    higher_is_better = False
    factor = 100.0
    linear = True
    columns: tuple[str, ...] = ("substitutions", "insertions", "deletions", "reference")

    def __init__(self, normaliser: Normaliser) -> None:
        self.normaliser = normaliser

    @property
    def signature(self) -> str:
        """Every choice that affects the values."""
        return f"{self.name}|{self.normaliser.signature}|costs:sclite|lmmix:{__version__}"

    def statistics(self, references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """(n, 4) counts against the one reference. Raises InputError if there are several."""
        from lmmix.metrics import _kernels as kernels

        if len(references) != 1:
            raise InputError(f"{self.name} compares with one reference, not with {len(references)}; give one of them")
        numbers: dict[str, int] = {}
        reference, *others = [
            [numbers.setdefault(unit, len(numbers)) for unit in self.units(text)] for text in (references[0], *texts)
        ]
        offsets = np.cumsum([0, *map(len, others)], dtype=np.int64)
        items = np.fromiter(chain.from_iterable(others), np.int64, offsets[-1])
        counts = np.empty((len(others), 3))
        kernels._count_errors(np.array(reference, np.int64), items, offsets, SUBSTITUTION, GAP, counts)
        return np.column_stack([counts, np.full(len(others), float(len(reference)))])

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) errors / length of the reference; nan for a reference without length."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = sums[..., :3].sum(axis=-1) / sums[..., 3]
        return np.where(sums[..., 3] > 0, rate, np.nan)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) errors."""
        return statistics[:, :3].sum(axis=1)

    def units(self, text: str) -> Sequence[str]:
        """What the rate counts, of the text as the normaliser rewrites it."""
        raise NotImplementedError


class SentenceErrorRate:
    """Sentence error rate: the part of the sentences that are not, word by word, one of their references."""

    name = "ser"
    higher_is_better = False
    factor = 100.0
    linear = True
    columns: tuple[str, ...] = ("wrong", "sentences")

    def __init__(self, normaliser: Normaliser) -> None:
        self.normaliser = normaliser

    @property
    def signature(self) -> str:
        """Every choice that affects the values."""
        return f"{self.name}|{self.normaliser.signature}|lmmix:{__version__}"

    def statistics(self, references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """(n, 2) 1 for a text that is none of the references, else 0; and 1."""
        right = [words_of(self.normaliser(reference)) for reference in references]
        wrong = [float(words_of(self.normaliser(text)) not in right) for text in texts]
        return np.column_stack([wrong, np.ones(len(texts))])

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) wrong sentences / sentences; nan without sentences."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) 1 for a wrong sentence."""
        return statistics[:, 0]


class WordErrorRate(ErrorRate):
    """Word error rate: substitutions, insertions and deletions of words, as `sclite` counts them."""

    name = "wer"

    def units(self, text: str) -> Sequence[str]:
        """Words."""
        return words_of(self.normaliser(text))


class CharacterErrorRate(ErrorRate):
    """Character error rate over characters and the single space between words (see `nospace` of `normalise`)."""

    name = "cer"

    def units(self, text: str) -> Sequence[str]:
        """Characters."""
        return " ".join(words_of(self.normaliser(text)))
