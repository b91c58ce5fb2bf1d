"""Slow, obvious twins of what estimates mixture weights."""

from __future__ import annotations

import numpy as np


def em(p: np.ndarray, steps: int) -> np.ndarray:
    """(K,) weights after `steps` plain steps of EM from equal ones; p is (T, K) probabilities."""
    weights = np.full(p.shape[1], 1 / p.shape[1])
    for _ in range(steps):
        posterior = weights * p / (weights * p).sum(axis=1, keepdims=True)
        weights = posterior.mean(axis=0)
    return weights


def log_likelihood(p: np.ndarray, weights: np.ndarray) -> float:
    """Σ_t ln Σ_k w_k p_tk."""
    return float(np.log(p @ weights).sum())


def certificate(p: np.ndarray, weights: np.ndarray) -> float:
    """max_k of the mean of p_k / p_mix, minus 1."""
    return float((p / (p @ weights)[:, None]).mean(axis=0).max() - 1)


def best_weights(p: np.ndarray) -> np.ndarray:
    """(K,) by scipy's SLSQP on the simplex."""
    from scipy.optimize import minimize

    members = p.shape[1]
    found = minimize(
        lambda w: -np.log(p @ w).mean(),
        np.full(members, 1 / members),
        jac=lambda w: -(p / (p @ w)[:, None]).mean(axis=0),
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(members)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    return found.x
