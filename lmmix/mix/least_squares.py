"""Weights of a linear mixture by linear regression on whole distributions.

What is minimised is Σ_h Σ_v (Σ_k w_k p_k(v|h) − y(v|h))². With a target model, y is its distribution; without one,
y is 1 for the word that came and 0 for the others, and the sum is the Brier score. One pass over the text gives the
products of all pairs of models, which is all that is needed: the minimum on the simplex is found exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel
from lmmix.mix.expectations import Expectations
from lmmix.mix.simplex import nearest_on_simplex


@dataclass(frozen=True)
class LeastSquaresFit:
    """What linear regression found.

    Attributes
    ----------
    weights : (K,) float64
        The best ones that are not negative and sum to 1.
    coefficients : (K,) float64
        The best ones without such bounds, those of least norm if there are several. They make no language model.
    loss : float
        Mean squared distance of the mixture with `weights`, per history.
    gap : float
        Certificate: no weights on the simplex have a loss that is smaller by more.
    histories : int
    """

    weights: np.ndarray
    coefficients: np.ndarray
    loss: float
    gap: float
    histories: int


def fit_least_squares(
    models: Sequence[LanguageModel],
    corpus: Corpus,
    target: LanguageModel | None = None,
    *,
    histories: int | None = None,
    seed: int = 0,
) -> LeastSquaresFit:
    """Linear regression of `target`, or of the words that came, on the distributions of `models`.

    `histories` looks at so many histories of `corpus`, or a few more, drawn with `seed`; by default at all. Raises
    EventSpaceError for different vocabularies, SettingError for bad settings.
    """
    read = Expectations(models if target is None else [*models, target], corpus, histories, seed)
    members = len(models)
    gram, moments, square = np.zeros((members, members)), np.zeros(members), 0.0
    for block in read.blocks():
        p = block.p[:members].reshape(members, -1)
        gram += p @ p.T
        if target is None:
            moments += block.p[:, np.arange(len(block.words)), block.words].sum(axis=1)
            square += len(block.words)
        else:
            y = block.p[-1].ravel()
            moments += p @ y
            square += float(y @ y)
    gram, moments, square = gram / read.total, moments / read.total, square / read.total
    weights = nearest_on_simplex(gram / square, moments / square)
    slope = 2 * (gram @ weights - moments)
    return LeastSquaresFit(
        weights,
        np.linalg.lstsq(gram, moments, rcond=None)[0],
        float(weights @ gram @ weights - 2 * moments @ weights + square),
        float(weights @ slope - slope.min()),
        read.total,
    )
