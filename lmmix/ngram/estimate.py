"""From a text or its n-gram counts to a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.counts import MAX_ORDER, NgramCounts, are_whole, count_ngrams
from lmmix.ngram.cutoffs import minimum_counts, without_rare
from lmmix.ngram.held_out import HeldOut
from lmmix.ngram.kneser_ney import adjusted_counts
from lmmix.ngram.order_pass import Estimates, estimate_order
from lmmix.ngram.settings import SmoothingSettings
from lmmix.ngram.signature import signature_of
from lmmix.ngram.smoothing import BACKOFF, INTERPOLATED, OrderCounts, Rule, Smoothing
from lmmix.ngram.tree import NgramTree
from lmmix.ngram.tune_discounts import tuned
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.scratch import IN_MEMORY, Scratch
from lmmix.vocab import BOS, UNK, Vocab


@dataclass(frozen=True)
class _EventSpace:
    """How many words share the probability, and those of the vocabulary that have none.

    `events` counts the words of the vocabulary and `padding` more, which are in none.
    """

    events: int
    padding: int
    impossible: tuple[int, ...]
    unk_seen: bool

    @classmethod
    def of(cls, counts: NgramCounts, vocab: Vocab, settings: SmoothingSettings) -> _EventSpace:
        unk_seen = bool(counts.count[1 + UNK] > 0)
        impossible = (BOS, UNK) if settings.closed and not unk_seen else (BOS,)
        words = len(vocab) - len(impossible)
        events = max(words, settings.vocab_pad)
        return cls(events, events - words, impossible, unk_seen)

    @property
    def uniform(self) -> float:
        return 1.0 / self.events

    def held_out(self, corpus: Corpus, tree: NgramTree, vocab: Vocab) -> HeldOut:
        # If the training text has no <unk>, nothing can be learnt from that of another about it.
        return HeldOut(tree, corpus.recode(vocab), self.uniform, self.impossible if self.unk_seen else (BOS, UNK))


def train_ngram(
    corpus: Corpus,
    order: int = 5,
    smoothing: str | SmoothingSettings = "mkn",
    threads: int | None = None,
    weights: np.ndarray | None = None,
    scratch: Scratch = IN_MEMORY,
) -> BackoffModel:
    """Count the n-grams of `corpus` and smooth them.

    Parameters
    ----------
    corpus : Corpus
        Its vocabulary becomes that of the model; words of the vocabulary that do not occur get their share
        of the uniform distribution.
    order : int
        Length of the longest n-grams, 1 or more.
    smoothing : str or SmoothingSettings
        A name (see `SmoothingSettings`), or all settings.
    threads : int, optional
        Default: all cores. The result does not depend on it.
    weights : (S,) float64, optional
        How often each sentence counts; not every smoothing takes them.
    scratch : Scratch, optional
        Where large arrays lie, those of the model too; default: in memory. The result does not depend on it.

    Raises SettingError for an order below 1 or settings that cannot be.
    """
    settings = SmoothingSettings(smoothing) if isinstance(smoothing, str) else smoothing
    if 1 <= order <= MAX_ORDER:
        # Before the long work of counting, which refuses other orders.
        _check_fractions(_checked(settings, order), fractions=weights is not None and not are_whole(weights))
    counts = count_ngrams(corpus, order, threads, weights, scratch)
    return estimate(counts, corpus.vocab, settings, threads, scratch)


def estimate(
    counts: NgramCounts,
    vocab: Vocab,
    smoothing: str | SmoothingSettings = "mkn",
    threads: int | None = None,
    scratch: Scratch = IN_MEMORY,
) -> BackoffModel:
    """The model over `vocab` that the counts give; see `train_ngram`.

    The uniform distribution below the unigrams is over all words, `<unk>` and `</s>`, without `<s>`.
    """
    settings = SmoothingSettings(smoothing) if isinstance(smoothing, str) else smoothing
    tree = counts.tree
    smoothings = _checked(settings, tree.order)
    _check_fractions(smoothings, fractions=counts.count.dtype.kind == "f")
    space = _EventSpace.of(counts, vocab, settings)
    orders = _orders(counts, smoothings, settings.min_counts, space.events, threads, scratch)
    smoothings = smoothings[: len(orders)]
    if settings.tune_discounts:
        smoothings = list(tuned(orders, smoothings, space.held_out(settings.tune_discounts, tree, vocab)))
    held_out = space.held_out(settings.held_out, tree, vocab) if settings.held_out else None
    estimates, rules = _estimated(orders, smoothings, settings, space, held_out, threads, scratch)
    signature = signature_of(settings, smoothings, tree.order, rules, vocab, UNK in space.impossible)
    minimum = minimum_counts(settings.min_counts, tree.order)
    tree, prob, backoff = without_rare(counts, minimum, estimates.prob, estimates.backoff, scratch)
    _log_in_place(prob, threads)
    _log_in_place(backoff, threads)
    return BackoffModel(tree, prob, backoff, vocab, signature, [rule.parameters() for rule in rules])


def _checked(settings: SmoothingSettings, order: int) -> list[Smoothing]:
    """The smoothing of each order. Raises SettingError for settings that cannot be."""
    smoothings = settings.smoothings(order)
    minimum_counts(settings.min_counts, order)
    if settings.vocab_pad < 0:
        raise SettingError(f"vocab_pad is {settings.vocab_pad}; it must be 0 or more")
    if settings.tune_discounts and any(form != INTERPOLATED for form in settings.forms(smoothings)):
        raise SettingError(
            "discounts are tuned for interpolated models only; leave out --backoff and --backoff-unigrams"
        )
    return smoothings


def _check_fractions(smoothings: Sequence[Smoothing], fractions: bool) -> None:
    """Raise SettingError for fractional counts where a smoothing needs whole ones."""
    for smoothing in smoothings:
        if fractions and not smoothing.fractional:
            raise SettingError(
                f"smoothing {smoothing.name} needs whole counts, and these are fractions: use --smoothing wb"
            )


def _orders(
    counts: NgramCounts,
    smoothings: Sequence[Smoothing],
    min_counts: Sequence[int],
    events: int,
    threads: int | None,
    scratch: Scratch,
) -> list[OrderCounts]:
    """What each order that has n-grams is estimated from, order 1 first."""
    tree = counts.tree
    minimum = minimum_counts(min_counts, tree.order)
    continued = [n for n, smoothing in enumerate(smoothings, 1) if smoothing.continuation]
    used = adjusted_counts(counts, continued, threads, scratch)
    filled = [n for n, size in enumerate(tree.counts(), 1) if size]
    # `<s>` occurs, but is no event: what cut-offs judge at order 1 must not hold it.
    return [OrderCounts(tree, n, used, used if n == 1 else counts.count, minimum[n], events) for n in filled]


def _estimated(
    orders: Sequence[OrderCounts],
    smoothings: Sequence[Smoothing],
    settings: SmoothingSettings,
    space: _EventSpace,
    held_out: HeldOut | None,
    threads: int | None,
    scratch: Scratch,
) -> tuple[Estimates, list[Rule]]:
    """Probabilities and back-offs (linear), and the rule of each order."""
    tree = orders[0].tree
    contexts = int(tree.level[tree.order])
    forms = settings.forms(smoothings)
    prob, backoff = scratch.empty(tree.size, np.float64), scratch.empty(contexts, np.float64)
    rest = scratch.empty(contexts, np.float64) if BACKOFF in forms[1:] else None
    if rest is not None:
        rest[:] = 0.0
    estimates = Estimates(prob, backoff, rest)
    estimates.prob[0] = space.uniform
    rules: list[Rule] = []
    lower_minimum = 0.0
    with task("smoothing", len(orders)) as advance:
        for order, smoothing, form in zip(orders, smoothings, forms):
            rules.append(smoothing.rule(replace(order, held_out=held_out)))
            estimate_order(order, rules[-1], form, lower_minimum, estimates, threads)
            if order.order == 1:
                estimates.prob[[1 + word for word in space.impossible]] = 0.0
                if estimates.rest is not None:
                    estimates.rest[0] = space.padding * space.uniform * estimates.backoff[0]
            if held_out is not None:
                held_out.advance(order.order, estimates.prob, estimates.backoff)
            lower_minimum = order.minimum if order.order > 1 else 0.0
            advance(1)
    estimates.backoff[int(tree.level[len(orders)]) :] = 1.0
    return estimates, rules


def _log_in_place(values: np.ndarray, threads: int | None) -> None:
    thread_map(lambda piece: kernels._log_in_place(values, *piece), cut(len(values), 1 << 20), threads)
