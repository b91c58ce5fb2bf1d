"""A small network that turns features of histories into the weights of a mixture's members."""

from __future__ import annotations

import numpy as np

from lmmix.checks import check_map
from lmmix.neural.backend import seeded, torch, torch_threads


def hidden_layer(
    features: np.ndarray,
    logp: np.ndarray,
    units: int = 16,
    decay: float = 1e-3,
    iterations: int = 150,
    seed: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer tanh(x W + b) of a gate that gives T events a high likelihood: W (F, units), b (units,).

    Trained together with a softmax over the K members upon it by L-BFGS in float64 on Σ_t ln Σ_k w_k p_tk,
    `features` (T, F) and ln p `logp` (T, K); `decay` is the weight of Σ W² per event. The softmax is left to whoever
    uses the layer. The number of threads is 1, so that the result depends on the seed only. Raises SettingError without
    features, for `units` below 1 or a seed that is none.
    """
    check_map(features, units, seed)
    spread = features.std(axis=0)
    scale = 1.0 / np.where(spread > 1e-9, spread, 1.0)
    mean = features.mean(axis=0)
    x = torch.from_numpy((features - mean) * scale)
    relative = torch.from_numpy(logp - logp.max(axis=1, keepdims=True))
    inner = _train(x, relative, units, decay, iterations, seed)
    weights = inner.weight.detach().numpy().T
    return weights * scale[:, None], inner.bias.detach().numpy() - (mean * scale) @ weights


def _train(
    x: torch.Tensor, relative: torch.Tensor, units: int, decay: float, iterations: int, seed: int
) -> torch.nn.Linear:
    """The hidden layer, trained with a softmax upon it."""
    with seeded(seed, torch.device("cpu")), torch_threads(1):
        inner = torch.nn.Linear(x.shape[1], units, dtype=torch.float64)
        outer = torch.nn.Linear(units, relative.shape[1], dtype=torch.float64)
        weights = [*inner.parameters(), *outer.parameters()]
        optimiser = torch.optim.LBFGS(weights, max_iter=iterations, line_search_fn="strong_wolfe", history_size=20)

        def cost() -> torch.Tensor:
            optimiser.zero_grad()
            gate = torch.log_softmax(outer(torch.tanh(inner(x))), 1)
            loss = -torch.logsumexp(gate + relative, 1).mean()
            loss = loss + decay * (inner.weight.square().sum() + outer.weight.square().sum())
            loss.backward()
            return loss

        optimiser.step(cost)
    return inner
