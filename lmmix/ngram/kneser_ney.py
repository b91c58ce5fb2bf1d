"""Interpolated modified Kneser–Ney smoothing (Chen & Goodman 1999, "An empirical study of smoothing techniques")."""

from __future__ import annotations

import numpy as np

from lmmix import __version__
from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.counts import NgramCounts
from lmmix.ngram.discounts import Discounts, modified_kn_discounts
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.vocab import BOS, Vocab

PIECE_CONTEXTS = 1 << 18
"""Contexts a thread estimates at a time."""


def adjusted_counts(counts: NgramCounts, threads: int | None = None) -> np.ndarray:
    """(M,) int32: raw counts at the highest order, below it the number of different words seen before.

    N-grams that begin with `<s>` keep their raw count, since nothing comes before them. `<s>` itself, which
    is no event, gets 0.
    """
    tree = counts.tree
    adjusted = counts.count.copy()

    def adjust(order: int) -> None:
        own, longer = tree.nodes(order), tree.nodes(order + 1)
        adjusted[own] = 0
        kernels._add_continuations(tree.suffix, longer.start, longer.stop, adjusted)
        kept = tree.starting_with_bos(order)
        adjusted[kept] = counts.count[kept]

    thread_map(adjust, range(1, tree.order), threads)
    adjusted[1 + BOS] = 0
    return adjusted


def counts_of_counts(tree: NgramTree, adjusted: np.ndarray, order: int) -> np.ndarray:
    """(5,) int64: entry r is the number of n-grams of `order` with adjusted count r, for r = 1…4."""
    histogram = np.zeros(5, np.int64)
    nodes = tree.nodes(order)
    kernels._counts_of_counts(adjusted, nodes.start, nodes.stop, histogram)
    return histogram


def estimate_kneser_ney(counts: NgramCounts, vocab: Vocab, threads: int | None = None) -> BackoffModel:
    """Interpolated modified Kneser–Ney over `vocab`, unigrams interpolated with the uniform distribution.

    The uniform distribution is over the V − 1 possible events: all words, `<unk>` and `</s>`, without `<s>`.
    """
    tree = counts.tree
    adjusted = adjusted_counts(counts, threads)
    discounts = [
        modified_kn_discounts(counts_of_counts(tree, adjusted, n), n)
        for n in range(1, tree.order + 1)
        if tree.counts()[n - 1] > 0
    ]
    prob = np.empty(tree.size)
    backoff = np.empty(int(tree.level[tree.order]))
    prob[0] = 1.0 / (len(vocab) - 1)
    with task("smoothing", tree.order) as advance:
        for n, discount in enumerate(discounts, 1):
            _estimate_order(tree, adjusted, discount, n, prob, backoff, threads)
            advance(1)
    prob[1 + BOS] = 0.0
    backoff[int(tree.level[len(discounts)]) :] = 1.0
    _log_in_place(prob, threads)
    _log_in_place(backoff, threads)
    return BackoffModel(tree, prob, backoff, vocab, _signature(tree, discounts, vocab))


def _estimate_order(
    tree: NgramTree,
    adjusted: np.ndarray,
    discount: Discounts,
    order: int,
    prob: np.ndarray,
    backoff: np.ndarray,
    threads: int | None,
) -> None:
    contexts = tree.nodes(order - 1)
    table = discount.table()

    def estimate(piece: tuple[int, int]) -> None:
        lo, hi = contexts.start + piece[0], contexts.start + piece[1]
        kernels._interpolate(tree.begin, tree.suffix, adjusted, table, lo, hi, prob, backoff)

    thread_map(estimate, cut(contexts.stop - contexts.start, PIECE_CONTEXTS), threads)


def _log_in_place(values: np.ndarray, threads: int | None) -> None:
    thread_map(lambda piece: kernels._log_in_place(values, *piece), cut(len(values), 1 << 20), threads)


def _signature(tree: NgramTree, discounts: list[Discounts], vocab: Vocab) -> str:
    fallback = [f"{n}:{'+'.join(d.fallback)}" for n, d in enumerate(discounts, 1) if d.fallback]
    parts = [f"order:{tree.order}", "smoothing:mkn", "interpolated:yes", "unigrams:uniform"]
    parts += [f"fallback:{','.join(fallback)}"] if fallback else []
    return "|".join(
        [*parts, f"tokens:{vocab.tokenizer}", f"vocab:{vocab.fingerprint}", "eos:yes", f"lmmix:{__version__}"]
    )
