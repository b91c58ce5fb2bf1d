"""From a text or its n-gram counts to a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.ngram import _smooth_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.counts import NgramCounts, count_ngrams
from lmmix.ngram.cutoffs import minimum_counts, without_rare
from lmmix.ngram.held_out import HeldOut
from lmmix.ngram.kneser_ney import absolute, adjusted_counts, kneser_ney, modified_kneser_ney
from lmmix.ngram.order_pass import Estimates, estimate_order
from lmmix.ngram.smoothing import BACKOFF, CONSTANT, INTERPOLATED, OrderCounts, Rule, Smoothing
from lmmix.ngram.tree import NgramTree
from lmmix.ngram.witten_bell import WittenBell
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.vocab import BOS, UNK, Vocab

SMOOTHINGS: dict[str, Callable[..., Smoothing]] = {
    "mkn": modified_kneser_ney,
    "kn": kneser_ney,
    "abs": absolute,
    "wb": WittenBell,
}
"""What makes each smoothing; takes the numbers behind its name, as in `abs:0.5`."""


@dataclass(frozen=True)
class SmoothingSettings:
    """How a model is estimated from counts.

    Attributes
    ----------
    smoothing : str
        A name of `SMOOTHINGS`, with parameters behind colons and slashes (`abs:0.5`, `mkn:0.5/1/1.5`), or several
        with commas between: those of order 1, 2, …, the last for all higher orders.
    interpolated : bool, optional
        Interpolated or back-off; by default as usual for the smoothing.
    min_counts : sequence of int
        N-grams of order 1, 2, … that occur less often are left out; the last is for all higher orders.
    held_out : Corpus, optional
        A text like those to come, which `jm` needs.
    tune_discounts : Corpus, optional
        A text on which the discounts are tuned.
    vocab_pad : int
        The uniform distribution below the unigrams is over at least so many words (`--vocab_pad` of KenLM).
    closed : bool
        `<unk>` has probability 0 unless the text contains it.
    """

    smoothing: str = "mkn"
    interpolated: bool | None = None
    min_counts: Sequence[int] = (1,)
    held_out: Corpus | None = None
    tune_discounts: Corpus | None = None
    vocab_pad: int = 0
    closed: bool = False


def train_ngram(
    corpus: Corpus, order: int = 5, smoothing: str | SmoothingSettings = "mkn", threads: int | None = None
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

    Raises SettingError for an order below 1 or settings that cannot be.
    """
    settings = SmoothingSettings(smoothing) if isinstance(smoothing, str) else smoothing
    smoothings_of(settings, order)
    return estimate(count_ngrams(corpus, order, threads), corpus.vocab, settings, threads)


def smoothings_of(settings: SmoothingSettings, order: int) -> list[Smoothing]:
    """The smoothing of each order 1…`order`. Raises SettingError for names or parameters that cannot be."""
    found = [_parsed(name) for name in settings.smoothing.split(",")]
    if len(found) > max(order, 1):
        raise SettingError(f"smoothing is {settings.smoothing!r}, {len(found)} names for a model of order {order}")
    found += [found[-1]] * (order - len(found))
    for smoothing in found:
        _form(smoothing, settings.interpolated)
        if CONSTANT in smoothing.forms and any(other != smoothing for other in found):
            raise SettingError(f"smoothing is {settings.smoothing!r}; {smoothing.name} stands alone for all orders")
    return found


def _parsed(text: str) -> Smoothing:
    name, _, numbers = text.strip().partition(":")
    if name not in SMOOTHINGS:
        raise SettingError(f"smoothing is {text!r}; there is {', '.join(SMOOTHINGS)}")
    try:
        return SMOOTHINGS[name](*(float(number) for number in numbers.split("/") if numbers))
    except (ValueError, TypeError) as error:
        raise SettingError(f"smoothing is {text!r}; its parameters cannot be read") from error


def _form(smoothing: Smoothing, interpolated: bool | None) -> str:
    """INTERPOLATED, BACKOFF or CONSTANT. Raises SettingError for a form the smoothing does not have."""
    if interpolated is None:
        return smoothing.forms[0]
    form = INTERPOLATED if interpolated else BACKOFF
    if form not in smoothing.forms:
        raise SettingError(f"{smoothing.name} is {' or '.join(smoothing.forms)}, not {form}")
    return form


def estimate(
    counts: NgramCounts,
    vocab: Vocab,
    smoothing: str | SmoothingSettings = "mkn",
    threads: int | None = None,
) -> BackoffModel:
    """The model over `vocab` that the counts give; see `train_ngram`.

    The uniform distribution below the unigrams is over all words, `<unk>` and `</s>`, without `<s>`.
    """
    settings = SmoothingSettings(smoothing) if isinstance(smoothing, str) else smoothing
    tree = counts.tree
    smoothings = smoothings_of(settings, tree.order)
    _check_counts(counts, smoothings)
    minimum = minimum_counts(settings.min_counts, tree.order)
    orders = [n for n, smoothing in enumerate(smoothings, 1) if smoothing.continuation]
    used = adjusted_counts(counts, orders, threads)
    closed = settings.closed and not counts.count[1 + UNK]
    events = len(vocab) - (2 if closed else 1)
    forms = [_form(smoothing, settings.interpolated) for smoothing in smoothings]
    estimates = _empty_estimates(tree, max(settings.vocab_pad, events), BACKOFF in forms)
    held_out = _held_out(settings.held_out, tree, vocab, estimates)
    rules: list[Rule] = []
    impossible = [1 + BOS, *([1 + UNK] if closed else [])]
    with task("smoothing", tree.order) as advance:
        for n in range(1, tree.order + 1):
            if tree.counts()[n - 1] == 0:
                break
            order = OrderCounts(tree, n, used, used if n == 1 else counts.count, minimum[n], events, held_out)
            rules.append(smoothings[n - 1].rule(order))
            estimate_order(order, rules[-1], forms[n - 1], minimum[n - 1], estimates, threads)
            if n == 1:
                estimates.prob[impossible] = 0.0
            if held_out is not None:
                held_out.advance(n, estimates.prob, estimates.backoff)
            advance(1)
    estimates.backoff[int(tree.level[len(rules)]) :] = 1.0
    signature = _signature(settings, smoothings, forms, rules, vocab, closed)
    tree, prob, backoff = without_rare(counts, minimum, estimates.prob, estimates.backoff)
    _log_in_place(prob, threads)
    _log_in_place(backoff, threads)
    return BackoffModel(tree, prob, backoff, vocab, signature, [rule.parameters() for rule in rules])


def _check_counts(counts: NgramCounts, smoothings: list[Smoothing]) -> None:
    """Raise SettingError for fractional counts where a smoothing needs whole ones."""
    if counts.count.dtype.kind != "f":
        return
    for smoothing in smoothings:
        if not smoothing.fractional:
            raise SettingError(
                f"smoothing is {smoothing.name}, which needs whole counts, and these are fractions: use --smoothing wb"
            )


def _empty_estimates(tree: NgramTree, uniform_size: int, with_rest: bool) -> Estimates:
    contexts = int(tree.level[tree.order])
    estimates = Estimates(np.empty(tree.size), np.empty(contexts), np.zeros(contexts) if with_rest else None)
    estimates.prob[0] = 1.0 / uniform_size
    return estimates


def _held_out(corpus: Corpus | None, tree: NgramTree, vocab: Vocab, estimates: Estimates) -> HeldOut | None:
    return HeldOut(tree, corpus.recode(vocab), float(estimates.prob[0])) if corpus else None


def _log_in_place(values: np.ndarray, threads: int | None) -> None:
    thread_map(lambda piece: kernels._log_in_place(values, *piece), cut(len(values), 1 << 20), threads)


def _signature(
    settings: SmoothingSettings,
    smoothings: list[Smoothing],
    forms: list[str],
    rules: list[Rule],
    vocab: Vocab,
    closed: bool,
) -> str:
    parts = [f"order:{len(smoothings)}", f"smoothing:{_run(smoothing.name for smoothing in smoothings)}"]
    parts.append("interpolated:" + _run({INTERPOLATED: "yes", BACKOFF: "no"}.get(form, "no") for form in forms))
    parts += ["distribution:no"] if CONSTANT in forms else []
    parts += ["unigrams:uniform"] if forms[0] == INTERPOLATED else []
    notes: dict[str, list[str]] = {}
    for n, rule in enumerate(rules, 1):
        for key, note in rule.notes().items():
            notes.setdefault(key, []).append(f"{n}:{note}")
    parts += [f"{key}:{','.join(values)}" for key, values in notes.items()]
    if any(minimum > 1 for minimum in settings.min_counts):
        parts.append("min-counts:" + ",".join(map(str, settings.min_counts)))
    parts += [f"vocab-pad:{settings.vocab_pad}"] if settings.vocab_pad else []
    parts += ["closed:yes"] if closed else []
    return "|".join(
        [*parts, f"tokens:{vocab.tokenizer}", f"vocab:{vocab.fingerprint}", "eos:yes", f"lmmix:{__version__}"]
    )


def _run(values: Any) -> str:
    """All values with commas between, without repetitions at the end."""
    run = list(values)
    while len(run) > 1 and run[-1] == run[-2]:
        run.pop()
    return ",".join(run)
