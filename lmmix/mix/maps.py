"""Maps of features for kernel gates, made by scikit-learn from the features of a held-out text."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmmix.checks import check_map
from lmmix.errors import MissingDependencyError
from lmmix.mix.gate import CosineMap, LandmarkMap, spreads


def fourier_map(features: np.ndarray, size: int = 100, gamma: float | None = None, seed: int = 1) -> CosineMap:
    """Random Fourier features (Rahimi & Recht 2007) of an RBF kernel exp(−γ |x − y|²) of features (n, F), each of which
    is divided by its spread; `size` of them, γ by default 1 / F.

    Raises MissingDependencyError without scikit-learn, SettingError without features, for a size below 1 or no seed."""
    check_map(features, size, seed)
    sampling = _kernel_approximation()
    scale = _scale(features)
    gamma = 1.0 / features.shape[1] if gamma is None else gamma
    made = sampling.RBFSampler(gamma=gamma, n_components=size, random_state=seed).fit(features[:1])
    return CosineMap(made.random_weights_ * scale[:, None], made.random_offset_)


def nystroem_map(features: np.ndarray, size: int = 100, gamma: float | None = None, seed: int = 1) -> LandmarkMap:
    """Nyström features (Williams & Seeger 2001) of the same kernel; `size` of the histories become landmarks.
    Raises as `fourier_map` does."""
    check_map(features, size, seed)
    sampling = _kernel_approximation()
    scale = _scale(features)
    gamma = 1.0 / features.shape[1] if gamma is None else gamma
    size = min(size, len(features))
    made = sampling.Nystroem(gamma=gamma, n_components=size, random_state=seed).fit(features * scale)
    return LandmarkMap(scale, made.components_, made.normalization_.T, np.array(gamma))


def _scale(features: np.ndarray) -> np.ndarray:
    return 1.0 / spreads(features)


def _kernel_approximation() -> Any:
    try:
        from sklearn import kernel_approximation
    except ImportError:
        raise MissingDependencyError("scikit-learn", "a kernel gate", "kernel") from None
    return kernel_approximation
