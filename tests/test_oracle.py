"""The best and the worst texts that could be chosen from lists, against trying all of them."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tuning_problems import random_problem

from lmmix.metrics.metric import loss
from lmmix.nbest.oracle import extreme

LAW = settings(deadline=None, derandomize=True, max_examples=40)
seeds, signs = st.integers(0, 10**6), st.sampled_from([1, -1])


def small(seed, metric):
    """A problem of which all choices can be tried, and statistics of a text before it."""
    problem = random_problem(seed, 1, metric, utterances=4, hypotheses=4)
    return problem, random_problem(seed + 1, 1, metric).statistics[:2].sum(axis=0)


def losses(problem, before, chosen, sign):
    """sign · loss of the text, or of each of several texts, chosen (…, U)."""
    return sign * loss(problem.metric, before + problem.statistics[chosen].sum(axis=-2))


def all_choices(problem):
    """(n, U) every choice from the lists."""
    return np.array(list(itertools.product(*itertools.starmap(range, itertools.pairwise(problem.offsets)))))


@LAW
@given(seeds, signs)
def test_extreme_of_a_linear_metric_is_that_of_all_choices(seed, sign):
    problem, before = small(seed, "errors")
    chosen = extreme(problem.metric, problem.statistics, problem.offsets, sign, before)
    assert losses(problem, before, chosen, sign) == losses(problem, before, all_choices(problem), sign).min()
    alone = sign * problem.metric.sentence_loss(problem.statistics)
    assert chosen.tolist() == [
        min(range(lo, hi), key=alone.__getitem__) for lo, hi in itertools.pairwise(problem.offsets)
    ]


@LAW
@given(seeds, signs)
def test_extreme_of_another_metric_is_a_bound_that_no_single_exchange_improves(seed, sign):
    problem, before = small(seed, "precisions")
    chosen = extreme(problem.metric, problem.statistics, problem.offsets, sign, before)
    choices = all_choices(problem)
    every = losses(problem, before, choices, sign)
    mine = losses(problem, before, chosen, sign)
    alone = sign * problem.metric.sentence_loss(problem.statistics)
    first = [min(range(lo, hi), key=alone.__getitem__) for lo, hi in itertools.pairwise(problem.offsets)]
    assert every.min() - 1e-9 <= mine <= losses(problem, before, np.array(first), sign)
    single = (choices != chosen).sum(axis=1) == 1
    assert mine <= every[single].min(initial=np.inf) + 1e-9


def test_extremes_are_mostly_those_of_all_choices():
    exact = 0
    for seed, sign in itertools.product(range(50), (1, -1)):
        problem, before = small(seed, "precisions")
        chosen = extreme(problem.metric, problem.statistics, problem.offsets, sign, before)
        every = losses(problem, before, all_choices(problem), sign)
        exact += losses(problem, before, chosen, sign) <= every.min() + 1e-9
    assert exact >= 95
