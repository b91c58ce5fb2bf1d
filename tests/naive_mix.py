"""Slow, obvious twins of what estimates mixture weights."""

from __future__ import annotations

import numpy as np


def em(p: np.ndarray, steps: int, counts: np.ndarray | None = None, alpha: np.ndarray | float = 1.0) -> np.ndarray:
    """(K,) weights after `steps` plain steps of EM from equal ones; p is (T, K) probabilities.

    Events occur `counts` times; `alpha` are the parameters of a Dirichlet prior.
    """
    weights = np.full(p.shape[1], 1 / p.shape[1])
    counts = np.ones(len(p)) if counts is None else counts
    for _ in range(steps):
        posterior = weights * p / (weights * p).sum(axis=1, keepdims=True)
        expected = (counts[:, None] * posterior).sum(axis=0) + alpha - 1
        weights = expected / expected.sum()
    return weights


def log_likelihood(p: np.ndarray, weights: np.ndarray) -> float:
    """Σ_t ln Σ_k w_k p_tk."""
    return float(np.log(p @ weights).sum())


def certificate(p: np.ndarray, weights: np.ndarray) -> float:
    """max_k of the mean of p_k / p_mix, minus 1."""
    return float((p / (p @ weights)[:, None]).mean(axis=0).max() - 1)


def best_weights(p: np.ndarray, counts: np.ndarray | None = None, alpha: np.ndarray | float = 1.0) -> np.ndarray:
    """(K,) by scipy's SLSQP on the simplex; `counts` and `alpha` as for `em`."""
    from scipy.optimize import minimize

    members = p.shape[1]
    counts = np.ones(len(p)) if counts is None else counts
    prior = np.broadcast_to((np.asarray(alpha) - 1) / counts.sum(), members)
    lowest = np.where(prior > 0, 1e-12, 0)
    found = minimize(
        lambda w: -(counts * np.log(p @ w)).sum() / counts.sum() - (prior * np.log(np.maximum(w, 1e-300))).sum(),
        np.full(members, 1 / members),
        jac=lambda w: (
            -(counts[:, None] * p / (p @ w)[:, None]).sum(axis=0) / counts.sum()
            - np.where(prior > 0, prior / np.maximum(w, 1e-300), 0)
        ),
        bounds=[(low, 1) for low in lowest],
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(members)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    return found.x
