"""How often each context of a back-off model comes up: P(h), which weighs what pruning does to it.

Three answers: by the model itself in the long run (`stationary_history`), the product of the conditional
probabilities of its words (`product_history`, as SRILM does), and that product by another model (`model_history`).
For Kneser–Ney models the product is wrong, since their lower orders are not marginals of the highest (Chelba et al.
2010, "Study on interaction between entropy pruning and Kneser-Ney smoothing").
"""

from __future__ import annotations

import numpy as np

from lmmix.ngram import _prune_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.renormalise import over_contexts
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import thread_map
from lmmix.vocab import BOS, EOS

TOLERANCE = 3e-4
MOST_PASSES = 100


def product_history(model: BackoffModel) -> np.ndarray:
    """(level[N],) ln P(h) of each context h as the product of the conditional probabilities of its words.

    `<s>`, which has no probability, counts as `</s>`: as many sentences begin as end.
    """
    tree = model.tree
    history = model.logp[: tree.level[tree.order]].copy()
    history[0] = 0.0
    history[1 + BOS] = history[1 + EOS]
    for n in range(2, tree.order):
        history[tree.nodes(n)] += _of_parents(tree, n, history)
    return history


def model_history(model: BackoffModel, other: BackoffModel) -> np.ndarray:
    """The same product by the model `other`, which must have the same events; EventSpaceError if not."""
    model.vocab.check_same_events(other.vocab, "the model", "the history model")
    tree = model.tree
    words = model.vocab.translation(other.vocab)[tree.word]
    history = np.zeros(int(tree.level[tree.order]))
    state = np.zeros(len(history), np.int32)
    for n in range(1, tree.order):
        nodes = tree.nodes(n)
        before = _of_parents(tree, n, state)
        logp, state[nodes] = other.follow(before, words[nodes])
        if n == 1:
            logp[BOS] = logp[EOS]
            state[1 + BOS] = other.start(1)[0]
        history[nodes] = _of_parents(tree, n, history) + logp
    return history


def _of_parents(tree: NgramTree, order: int, values: np.ndarray) -> np.ndarray:
    """The value of the context of each n-gram of `order`."""
    parents = tree.nodes(order - 1)
    children = np.diff(tree.begin[parents.start : parents.stop + 1])
    return np.repeat(values[parents], children)


def stationary_history(
    model: BackoffModel,
    lower: np.ndarray,
    threads: int | None = None,
    tolerance: float = TOLERANCE,
    passes: int = MOST_PASSES,
) -> np.ndarray:
    """(level[N],) ln P(h): how often the last words are h in an endless text that the model itself makes.

    `<s>` comes up wherever a sentence begins; a context that ends in `</s>` never does.

    That is the stationary distribution of the chain of sentences, each beginning behind the end of the one before,
    by the power method on the automaton of the model (as Roark, Allauzen & Riley 2013, "Smoothed marginal
    distribution constraints for language modeling").

    Parameters
    ----------
    model : BackoffModel
        Normalised, of order 2 or more.
    lower : (M,) float64
        ln p(w | h′) of each n-gram hw.
    tolerance : float
        Passes stop when the probabilities of single words change by no more than this in all.
    passes : int
        The most passes.
    """
    tree = model.tree
    words = tree.nodes(1)
    chain = _Chain(model, lower, threads)
    visits = np.zeros(len(model.backoff))
    visits[words] = chain.prob[words]
    chain.restart(visits)
    for _ in range(passes):
        after = chain.next_visits(visits)
        change = np.abs(after[words] - visits[words]).sum()
        # Some of the old stays, so that chains with a period settle, too.
        visits *= 0.1
        visits += 0.9 * after
        if change <= tolerance:
            break
    with np.errstate(divide="ignore"):
        return np.log(visits)


class _Chain:
    """The model as a chain that says word after word, sentence after sentence.

    Sums over suffixes are made in two halves, whatever the number of threads, each in a row of its own.
    """

    def __init__(self, model: BackoffModel, lower: np.ndarray, threads: int | None) -> None:
        self.tree = tree = model.tree
        self.threads = threads
        self.weight = np.exp(model.backoff)
        self.prob = np.exp(model.logp[: len(self.weight)])
        self.excess = np.zeros(tree.size, np.float32)
        self.ends = np.flatnonzero(tree.word[: len(self.weight)] == EOS)
        self.asked, self.after = np.empty((2, len(self.weight))), np.empty((2, len(self.weight)))

        def find_excess(lo: int, hi: int) -> None:
            kernels._find_excess(tree.begin, model.logp, model.backoff, lower, lo, hi, self.excess)

        for n in range(2, tree.order + 1):
            over_contexts(tree, n, find_excess, threads)

    def next_visits(self, visits: np.ndarray) -> np.ndarray:
        """From the probability of each n-gram below the highest order to be the last words: that one word later.

        What a context h is asked for is what nothing longer knows: its own visits, less those of longer contexts that
        end in h, and the back-offs of these. Of the words that h knows, the longer contexts have said some; only the
        rest of the probability is new. The result is overwritten by the next call.
        """
        tree, asked, after = self.tree, self.asked, self.after
        asked[0], asked[1], after[:] = visits, 0.0, 0.0

        def fall_back(half: tuple[int, int, int]) -> None:
            row, lo, hi = half
            kernels._fall_back(tree.suffix, self.weight, visits, lo, hi, asked[0], asked[row])

        def say_words(half: tuple[int, int, int]) -> None:
            row, lo, hi = half
            kernels._say_words(tree.begin, tree.suffix, self.prob, self.excess, asked[0], lo, hi, after[0], after[row])

        for n in range(tree.order - 1, 0, -1):
            own = tree.nodes(n)
            asked[0, own] += asked[1, own]
            thread_map(fall_back, _halves(own, (own.start + own.stop) // 2), self.threads)
        asked[0, 0] += asked[1, 0]
        for n in range(tree.order, 0, -1):
            own = tree.nodes(n)
            after[0, own] += after[1, own]
            middle = int(np.searchsorted(tree.begin, (own.start + own.stop) // 2))
            thread_map(say_words, _halves(tree.nodes(n - 1), middle), self.threads)
        np.maximum(after[0], 0.0, out=after[0])
        self.restart(after[0])
        return after[0]

    def restart(self, visits: np.ndarray) -> None:
        """Behind `</s>` comes `<s>`; the empty context is there always."""
        visits[1 + BOS] = visits[1 + EOS]
        visits[self.ends] = 0.0
        visits[0] = 1.0


def _halves(nodes: slice, middle: int) -> list[tuple[int, int, int]]:
    """Number, first and last of the two parts of some nodes."""
    middle = max(middle, nodes.start)
    return [(0, nodes.start, middle), (1, middle, nodes.stop)]
