"""What several rooms ask of numbers they are given: each check raises a SettingError that says what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmmix.errors import SettingError

LARGEST_SEED = 2**32 - 1
"""The largest that all generators of random numbers take."""

LEAST_PRIOR = 1e-6
"""The least standard deviation of a Gaussian prior: with less, nothing moves any more, and squares come to overflow."""


def simplex_weights(weights: Sequence[float] | np.ndarray, models: int) -> np.ndarray:
    """(models,) float64 `weights`, which must be none negative and have sum 1. Raises SettingError."""
    values = np.array(weights, np.float64)
    if values.shape != (models,) or not (values >= 0).all() or abs(values.sum() - 1.0) > 1e-6:
        raise SettingError(f"weights {values.tolist()} must be {models} numbers, none negative, with sum 1")
    return values / values.sum()


def check_seed(seed: int) -> None:
    """Raises SettingError for a seed below 0 or above `LARGEST_SEED`."""
    if not 0 <= seed <= LARGEST_SEED:
        raise SettingError(f"seed is {seed}; it must be a whole number from 0 to {LARGEST_SEED}")


def gaussian_precision(prior: float) -> float:
    """1 / prior², `prior` being a standard deviation, perhaps infinite. Raises SettingError below `LEAST_PRIOR`."""
    if not prior >= LEAST_PRIOR:
        raise SettingError(f"prior is {prior}; it must be a number from {LEAST_PRIOR:g}, or inf")
    return (1.0 / prior) ** 2


def check_map(features: np.ndarray, units: int, seed: int) -> None:
    """Whether a map of `units` numbers can be made from features (n, F) and a seed. Raises SettingError."""
    check_seed(seed)
    if units < 1:
        raise SettingError(f"units is {units}; it must be 1 or more")
    if not features.size:
        raise SettingError("there is no feature of histories to make a map of; choose features that these models have")
