"""BLEU, chrF and TER, as sacrebleu defines them (Post 2018).

What is counted comes from sacrebleu itself: its tokenisers, n-grams, shifts and choice among references. The values
are its formulas, written for arrays of sums, so that thousands of bootstrap samples cost nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.utils import SACREBLEU_DIR

from lmmix import __version__
from lmmix.errors import SettingError
from lmmix.metrics.normalise import Normaliser


class _Translation:
    """What the three metrics share; `scorer` is sacrebleu's."""

    name: str
    factor = 1.0
    columns: tuple[str, ...]

    def __init__(self, normaliser: Normaliser, scorer: Any) -> None:
        self.normaliser = normaliser
        self.scorer = scorer
        # The number of references is one of each sentence, not one of the metric.
        scorer.num_refs = -1
        choices = scorer.get_signature()
        choices.update("nrefs", None)
        self.signature = f"{self.name}|{normaliser.signature}|{choices}|lmmix:{__version__}"

    def statistics(self, references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """(n, k) counts against all references, which are prepared once."""
        prepared = self.scorer._cache_references([[self.normaliser(text)] for text in references])[0]
        rows = [
            self.scorer._compute_segment_statistics(self.scorer._preprocess_segment(self.normaliser(text)), prepared)
            for text in texts
        ]
        return np.array(rows, np.float64).reshape(len(texts), len(self.columns))


class Bleu(_Translation):
    """BLEU (Papineni et al. 2002) of words up to four, exponential smoothing (NIST's mteval-v13a)."""

    higher_is_better = True
    linear = False
    columns: tuple[str, ...] = (
        "length",
        "reference",
        *(f"{what}{n}" for what in ("correct", "total") for n in range(1, 5)),
    )

    def __init__(self, normaliser: Normaliser, tokenizer: str = "13a") -> None:
        """`tokenizer` is one of sacrebleu's. Raises SettingError for one that is not there."""
        self.name = "bleu" if tokenizer == "13a" else f"bleu:{tokenizer}"
        super().__init__(normaliser, _bleu_scorer(tokenizer))

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) 0 … 100; 0 where an order has no n-gram at all, or no word is right."""
        return _bleu(sums, every_order=True)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) minus the BLEU of the sentence, of those orders that it has (effective order)."""
        return -_bleu(statistics, every_order=False)


def _bleu(sums: np.ndarray, every_order: bool) -> np.ndarray:
    """(…) BLEU from (…, 10) sums: lengths of hypothesis and reference, correct and all n-grams by order."""
    length, reference, correct, total = sums[..., 0], sums[..., 1], sums[..., 2:6], sums[..., 6:10]
    there = total > 0
    missed = there & (correct == 0)
    # The kth order without a right n-gram counts as if 1 / 2^k of one were right.
    smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), correct)
    logs = np.log(np.where(there, smoothed, 1.0) / np.where(there, total, 1.0))
    orders = np.maximum(there.sum(axis=-1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        penalty = np.where(length < reference, np.exp(1.0 - reference / length), 1.0)
    score = 100.0 * penalty * np.exp(logs.sum(axis=-1) / orders)
    defined = correct.any(axis=-1) & (there.all(axis=-1) | (not every_order))
    return np.where(defined, score, 0.0)


def _bleu_scorer(tokenizer: str) -> BLEU:
    """sacrebleu's BLEU, unless its tokeniser needs what is not installed: nothing is downloaded."""
    names = sorted(BLEU.TOKENIZERS)
    if tokenizer not in names:
        raise SettingError(f"sacrebleu has no tokeniser {tokenizer!r} for BLEU; it has {', '.join(names)}")
    if (model := _pieces_of(tokenizer)) and not os.path.exists(model):
        raise SettingError(f"bleu:{tokenizer} needs the file {model}, which is not there; sacrebleu downloads it")
    try:
        return BLEU(tokenize=tokenizer)
    except (ImportError, RuntimeError):
        language = tokenizer.partition("-")[0]
        raise SettingError(f"bleu:{tokenizer} needs more packages: pip install 'sacrebleu[{language}]'") from None


def _pieces_of(tokenizer: str) -> str | None:
    """The SentencePiece model of one of sacrebleu's tokenisers, which it downloads when it is first used."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS

    if tokenizer not in SPM_MODELS:
        return None
    return os.path.join(SACREBLEU_DIR, "models", os.path.basename(SPM_MODELS[tokenizer]["url"]))


class Chrf(_Translation):
    """chrF (Popović 2015): F₂ of precision and recall of character n-grams up to six, averaged over the orders."""

    name = "chrf"
    higher_is_better = True
    linear = False
    word_order = 0

    def __init__(self, normaliser: Normaliser) -> None:
        super().__init__(normaliser, CHRF(word_order=self.word_order))
        kinds = [*(f"char{n}" for n in range(1, 7)), *(f"word{n}" for n in range(1, self.word_order + 1))]
        self.columns = tuple(f"{what}:{kind}" for kind in kinds for what in ("hypothesis", "reference", "match"))

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) 0 … 100; orders of which hypothesis or reference have no n-gram do not count."""
        hypothesis, reference, match = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
        there = (hypothesis > 0) & (reference > 0)
        orders = np.maximum(there.sum(axis=-1), 1)
        precision, recall = (
            np.where(there, match / np.where(there, count, 1.0), 0.0).sum(axis=-1) / orders
            for count in (hypothesis, reference)
        )
        weight = CHRF.BETA**2
        some = precision + recall > 0
        bottom = np.where(some, weight * precision + recall, 1.0)
        return np.where(some, 100.0 * (1 + weight) * precision * recall / bottom, 0.0)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) minus the value of the sentence."""
        return -self.value(statistics)


class ChrfWords(Chrf):
    """chrF++ (Popović 2017): with words and pairs of words."""

    name = "chrf++"
    word_order = 2


class Ter(_Translation):
    """Translation edit rate (Snover et al. 2006): edits, shifts of phrases among them, per word of the reference."""

    name = "ter"
    higher_is_better = False
    linear = True
    columns: tuple[str, ...] = ("edits", "reference")

    def __init__(self, normaliser: Normaliser) -> None:
        super().__init__(normaliser, TER())

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(…) 100 · edits / mean length of the references; without any length 100 if there are edits, else 0."""
        edits, reference = sums[..., 0], sums[..., 1]
        rate = edits / np.where(reference > 0, reference, 1.0)
        return 100.0 * np.where(reference > 0, rate, edits > 0)

    def sentence_loss(self, statistics: np.ndarray) -> np.ndarray:
        """(n,) edits."""
        return statistics[:, 0]
