"""Quadratic functions on the simplex of weights, minimised exactly."""

from __future__ import annotations

import numpy as np

RANK = 1e-13
"""Eigenvalues below this part of the largest one are rounding errors."""


def nearest_on_simplex(gram: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The weights (K,) ≥ 0 with sum 1 that minimise wᵀGw − 2 wᵀv, for G = AᵀA (K, K) and v = Aᵀy (K,).

    That is ‖Aw − y‖² but for a constant; A and y need not be known. With sum 1, Aw − y is Bw for B = A − y1ᵀ; and
    non-negative least squares (Lawson & Hanson 1974) of Bx = 0, 1ᵀx = 1 gives a multiple of the nearest w, since the
    best multiple s of any w leaves ‖Bw‖² / (1 + ‖Bw‖²). Exact as this is, it is best computed if ‖y‖ is about 1.
    """
    # Few fits come here, and this import is a third of the time that others take to start.
    from scipy.optimize import nnls

    # nnls works best on columns of length 1. Long ones are made so; short ones stay, so that 1ᵀx = 1 does not grow.
    size = np.sqrt(np.maximum(np.diag(gram), 1.0))
    values, vectors = np.linalg.eigh(gram / np.outer(size, size))
    known = values > RANK * values[-1]
    root, kept = np.sqrt(values[known]), vectors[:, known].T
    moved = kept * root[:, None] - np.outer(kept @ (goal / size) / root, 1 / size)
    found, _ = nnls(np.vstack([moved, 1 / size]), np.append(np.zeros(len(moved)), 1.0))
    weights = found / size
    return weights / weights.sum()
