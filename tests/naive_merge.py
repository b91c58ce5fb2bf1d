"""Slow, obvious twin of static merging: dictionaries of tuples, renormalised as in `naive_prune`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from naive_prune import NaiveModel

from lmmix.ngram.backoff import BackoffModel


def merge(models: Sequence[BackoffModel], weights: Sequence[float]) -> NaiveModel:
    """All n-grams of all models with Σ_k λ_k p_k(w | h), and back-offs with which every history sums to 1."""
    members = [NaiveModel(model) for model in models]
    merged = copy(members[0])
    merged.order = max(member.order for member in members)
    ngrams = sorted({ngram for member in members for ngram in member.p}, key=len)
    merged.p = {
        ngram: sum(weight * member.prob(ngram[-1], ngram[:-1]) for member, weight in zip(members, weights))
        for ngram in ngrams
    }
    merged.bow = {ngram: 1.0 for ngram in ngrams if len(ngram) < merged.order}
    merged.renormalise()
    return merged
