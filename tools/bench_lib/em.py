"""EM."""

from __future__ import annotations

import statistics
import time


def bench() -> None:
    """The certificate of 1e-6 on (1,000,000, 3), warm, and the weights against scipy's."""
    import numpy as np
    from scipy.optimize import minimize

    from lmmix.mix.em import fit_em

    rng = np.random.default_rng(0)
    print("| members | seconds (median of 5) | passes | gap | gap of scipy's | difference to scipy's ", end="")
    print("| the same, tolerance 1e-10 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, spread in (("unlike one another", 3.0), ("alike", 0.3), ("nearly the same", 0.01)):
        base = rng.normal(-6, 3, (1_000_000, 1))
        logp = np.minimum(0.0, base + rng.normal(0, spread, (1_000_000, 3)))
        times = []
        for _ in range(6):
            started = time.perf_counter()
            result = fit_em(logp)
            times.append(time.perf_counter() - started)
        p = np.exp(logp)
        # SLSQP stops by the absolute change of its goal, so the goal is made large.
        found = minimize(
            lambda w, p=p: -1e4 * np.log(p @ w).mean(),
            np.full(3, 1 / 3),
            jac=lambda w, p=p: -1e4 * (p / (p @ w)[:, None]).mean(axis=0),
            bounds=[(0, 1)] * 3,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
        worst = np.abs(fit_em(logp, tolerance=1e-10).weights - found.x).max()
        at_once = np.abs(result.weights - found.x).max()
        gap = (p / (p @ found.x)[:, None]).mean(axis=0).max() - 1
        seconds = statistics.median(times[1:])
        print(f"| {name} | {seconds:.3f} | {result.iterations} | {result.gap:.1e} ", end="")
        print(f"| {gap:.1e} | {at_once:.1e} | {worst:.1e} |")
