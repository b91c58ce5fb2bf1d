"""Quadratic functions on the simplex of weights, minimised exactly."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

RANK = 1e-13
"""Eigenvalues below this part of the largest one are rounding errors."""


def nearest_on_simplex(gram: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The weights (K,) ≥ 0 with sum 1 that minimise wᵀGw − 2 wᵀv, for G = AᵀA (K, K) and v = Aᵀy (K,).

    That is ‖Aw − y‖² but for a constant; A and y need not be known. With sum 1, Aw − y is Bw for B = A − y1ᵀ; and
    non-negative least squares (Lawson & Hanson 1974) of Bx = 0, 1ᵀx = 1 gives a multiple of the nearest w, since the
    best multiple s of any w leaves ‖Bw‖² / (1 + ‖Bw‖²).
    """
    values, vectors = np.linalg.eigh(gram)
    known = values > RANK * values[-1]
    root = np.sqrt(values[known])
    columns = vectors[:, known].T * root[:, None]
    moved = columns - ((vectors[:, known].T @ goal) / root)[:, None]
    # Only the scale of B against the row of ones is free, and nnls works best where they are alike.
    scale = np.abs(moved).max()
    rows = np.vstack([moved / (scale if scale > 0 else 1.0), np.ones(len(gram))])
    found, _ = nnls(rows, np.append(np.zeros(len(moved)), 1.0))
    return found / found.sum()
