"""Weights of the least expected loss under the posteriors of the hypotheses.

For word error rate this is minimum Bayes risk training (Och 2003, section 4; Smith & Eisner 2006), for BLEU the
expected statistics go into its formula (Rosti et al. 2010, 2011). The weights have a scale: posteriors are
∝ exp(features @ weights), so a temperature of 1 is right for rules that decide by posteriors.
"""

from __future__ import annotations

import numpy as np

from lmmix.metrics.metric import loss
from lmmix.nbest.tuning.problem import TuneResult, TuningProblem
from lmmix.nbest.tuning.smooth import derivative, minimised, parts, result_of, scores, weighted_sum
from lmmix.nbest.tuning.starts import starts
from lmmix.parallel import thread_map
from lmmix.progress import task


class ExpectedLoss:
    """The loss of expected statistics and its exact gradient, as functions of parts θ (F,).

    In units of what lies between the best and the worst hypotheses of all lists, so that it says the same for all
    metrics.
    """

    def __init__(self, problem: TuningProblem) -> None:
        self.problem, self.parts = problem, parts(problem)
        self.starts, self.owner = problem.offsets[:-1], problem.owner
        best, worst = problem.ends
        self.unit = worst - best if worst > best else 1.0

    def posteriors(self, theta: np.ndarray) -> np.ndarray:
        """(H,) probabilities of the hypotheses, each list's sum to 1."""
        total = scores(self.parts, theta)
        mass = np.exp(total - np.maximum.reduceat(total, self.starts)[self.owner])
        return mass / np.add.reduceat(mass, self.starts)[self.owner]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The expected loss and its gradient (F,)."""
        problem, p = self.problem, self.posteriors(theta)
        sums = weighted_sum(p, problem.statistics)
        single = scores(problem.statistics, derivative(problem.metric, sums))
        excess = p * (single - np.add.reduceat(p * single, self.starts)[self.owner])
        return float(loss(problem.metric, sums)) / self.unit, weighted_sum(excess, self.parts) / self.unit


def expected(problem: TuningProblem, *, restarts: int = 20, seed: int = 1) -> TuneResult:
    """Weights in the deepest minimum of the expected loss (and a small prior) that L-BFGS finds from several starts.

    Parameters
    ----------
    problem : TuningProblem
    restarts : int
        Random starts besides the given one.
    seed : int
    """
    function = ExpectedLoss(problem)
    points = starts(problem, restarts, seed)
    with task("tuning", len(points)) as advance:

        def search(point: np.ndarray) -> tuple[np.ndarray, float]:
            found = minimised(problem, function, point)
            advance(1)
            return found

        found = thread_map(search, points, None)
    return result_of(problem, min(found, key=lambda one: one[1])[0])
