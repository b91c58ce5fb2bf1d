"""Ways to find a mixture on held-out text, by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel, described, load_count_table
from lmmix.logmath import perplexity
from lmmix.mix.auto import choose
from lmmix.mix.em import fit_em
from lmmix.mix.fit_context import USUAL, fit_context, fit_own, fit_sentences
from lmmix.mix.fit_gate import GateFit
from lmmix.mix.gate import HiddenMap
from lmmix.mix.goal import WeightsFit
from lmmix.mix.held_out import HeldOut, score_held_out
from lmmix.mix.linear import LinearMixture
from lmmix.mix.maps import fourier_map, nystroem_map
from lmmix.mix.mixture import Mixture
from lmmix.mix.online import fit_online, regret
from lmmix.mix.union import one_event_space


@dataclass(frozen=True)
class MixSettings:
    """What the ways of mixing can be told; each takes what concerns it.

    Attributes
    ----------
    tolerance : float
        Gap to the best, nats per event, at which EM stops.
    features : sequence of str
        Of the history, for gates; see `lmmix.mix.features.KINDS`.
    window : int, optional
        Events that `bayes` and the features of likelihood look back; default: 2 for `bayes`, all of the sentence else.
    scale : float, optional
        Of the likelihood in `bayes`; default: the best.
    prior : float
        Standard deviation of the Gaussian prior of gates.
    tables : sequence of count tables
        How often each model's text has seen histories, for `counts`.
    units : int
        Size of what is put between features and weights by `fourier` and `nystroem`.
    seed : int
        Of `fourier`, `nystroem` and `network`.
    threads : int, optional
    """

    tolerance: float = 1e-6
    features: Sequence[str] = USUAL
    window: int | None = None
    scale: float | None = None
    prior: float = 1.0
    tables: Sequence[Any] = ()
    units: int = 100
    seed: int = 1
    threads: int | None = None


Found = tuple[Mixture, dict[str, Any]]
"""A mixture with the numbers that its method has to tell."""


def _em(held: HeldOut, settings: MixSettings) -> Found:
    em = fit_em(held.rows, tolerance=settings.tolerance, threads=settings.threads)
    return LinearMixture(held.members, em.weights, held.paths), _em_facts(em)


def _em_facts(em: WeightsFit) -> dict[str, Any]:
    curve = [{"ppl": perplexity(logp, em.events), "gap": gap} for logp, gap in em.curve]
    return {"weights": em.weights.tolist(), "gap": em.gap, "iterations": em.iterations, "curve": curve}


def _gate_facts(fit: GateFit) -> dict[str, Any]:
    linear = {"linear_ppl": fit.em.ppl, "linear_weights": fit.em.weights.tolist()}
    return {**linear, "iterations": fit.iterations, "slope": fit.slope, "curve": [{"ppl": ppl} for ppl in fit.curve]}


def _context(held: HeldOut, settings: MixSettings, make_map: Any = None, features: Sequence[str] = ()) -> Found:
    mixture, fit = fit_context(
        held,
        features or settings.features,
        window=settings.window,
        tables=settings.tables,
        prior=settings.prior,
        make_map=make_map,
        threads=settings.threads,
    )
    return mixture, _gate_facts(fit)


def _buckets(held: HeldOut, settings: MixSettings) -> Found:
    return _context(held, settings, features=("length",))


def _counts(held: HeldOut, settings: MixSettings) -> Found:
    mixture, fit = fit_own(held, "counts", tables=settings.tables, threads=settings.threads)
    return mixture, _gate_facts(fit)


def _bayes(held: HeldOut, settings: MixSettings) -> Found:
    window = settings.window or 2
    mixture, fit = fit_own(held, "likelihood", scale=settings.scale, window=window, threads=settings.threads)
    return mixture, {**_gate_facts(fit), "window": window, "scale": float(fit.gate.theta[0, 0])}


def _fourier(held: HeldOut, settings: MixSettings) -> Found:
    return _context(held, settings, lambda features, _: fourier_map(features, settings.units, seed=settings.seed))


def _nystroem(held: HeldOut, settings: MixSettings) -> Found:
    return _context(held, settings, lambda features, _: nystroem_map(features, settings.units, seed=settings.seed))


def _network(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.neural.gate import hidden_layer

    return _context(held, settings, lambda features, logp: HiddenMap(*hidden_layer(features, logp, seed=settings.seed)))


def _sentence(held: HeldOut, settings: MixSettings) -> Found:
    mixture, em = fit_sentences(held, tolerance=settings.tolerance, threads=settings.threads)
    return mixture, {"weights": em.weights.tolist(), "gap": em.gap, "iterations": em.iterations}


def _online(held: HeldOut, settings: MixSettings) -> Found:
    em = fit_em(held.rows, tolerance=settings.tolerance, threads=settings.threads)
    mixture = fit_online(held.members, held.corpus, held.logp, em.weights, paths=held.paths)
    found = regret(mixture, held.corpus, held.logp)
    facts = {"weights": em.weights.tolist(), "rate": mixture.rate, "share": mixture.share}
    return mixture, {**facts, "linear_ppl": em.ppl, "regret_per_event": found.per_event}


def _auto(held: HeldOut, settings: MixSettings) -> Found:
    names = [name for name in AUTO if name != "counts" or settings.tables]
    choice = choose({name: partial(_found, METHODS[name], settings) for name in names}, held)
    mixture, facts = METHODS[choice.name](held, settings)
    return mixture, {**facts, "chosen": choice.name, "cross_validation": choice.table}


def _found(method: Callable[[HeldOut, MixSettings], Found], settings: MixSettings, held: HeldOut) -> Mixture:
    return method(held, settings)[0]


METHODS: dict[str, Callable[[HeldOut, MixSettings], Found]] = {
    "em": _em,
    "buckets": _buckets,
    "counts": _counts,
    "bayes": _bayes,
    "context": _context,
    "fourier": _fourier,
    "nystroem": _nystroem,
    "network": _network,
    "sentence": _sentence,
    "online": _online,
    "auto": _auto,
}

AUTO = ("em", "buckets", "bayes", "counts", "context")
"""What `auto` chooses from, the simplest first."""


@dataclass(frozen=True)
class MixtureFit:
    """A mixture with how it was found.

    Attributes
    ----------
    method : str
    mixture : Mixture
    ppl : float
        Of the mixture on the held-out text.
    member_ppl : (K,) list of float
        Of each member alone on the same events.
    events, skipped : int
        Events that counted, and OOVs that did not because no member gives `<unk>` a probability.
    seconds : float
        From the matrix to the mixture; the members scored the text before.
    facts : dict
        What the method has to tell: weights, gap, iterations and so on.
    held : HeldOut
        The matrix.
    """

    method: str
    mixture: Mixture
    ppl: float
    member_ppl: list[float]
    events: int
    skipped: int
    seconds: float
    facts: dict[str, Any] = field(repr=False)
    held: HeldOut = field(repr=False)


def fit_mixture(
    models: Sequence[LanguageModel],
    dev: Corpus,
    paths: Sequence[PathLike | None] | None = None,
    *,
    method: str = "em",
    spread: str | None = None,
    described_members: Sequence[dict[str, Any]] = (),
    counts: Sequence[PathLike] = (),
    settings: MixSettings | None = None,
) -> MixtureFit:
    """Find a mixture of `models` on held-out text, which none of them was trained on.

    Parameters
    ----------
    models : sequence of LanguageModel
    dev : Corpus
        The held-out text.
    paths : sequence of paths, optional
        The files of the models, without which the mixture cannot be saved.
    method : str
        One of `METHODS`: `em` finds one weight a model, the others weights that depend on the history or on the text so
        far.
    spread : {"uniform", "unigram", "chars"}, optional
        How models of different vocabularies come into one event space, see `lmmix.mix.union`.
    described_members : sequence of dict
        Further members that are made over the vocabulary of the models, see `lmmix.lm.described`: caches.
    counts : sequence of paths
        `.lmc` files, one a member, for the method and the feature of that name.
    settings : MixSettings, optional

    OOVs count as the event `<unk>`; where no model gives that a probability (closed vocabularies) they are left out and
    counted. Raises SettingError, EventSpaceError for models of different vocabularies, InputError for a word of the
    vocabulary that every model gives probability 0.
    """
    if method not in METHODS:
        raise SettingError(f"no way of mixing is called {method!r}; there are {', '.join(METHODS)}")
    settings = settings or MixSettings()
    members = one_event_space(models, spread, [str(path) for path in paths] if paths else None)
    members += [described(description, members[0].vocab) for description in described_members]
    if paths is not None:
        paths = [*paths, *(None for _ in described_members)]
    held = score_held_out(members, dev, paths, settings.threads)
    if counts:
        settings = replace(settings, tables=[load_count_table(path, held.corpus.vocab) for path in counts])
    started = time.perf_counter()
    mixture, facts = METHODS[method](held, settings)
    seconds = time.perf_counter() - started
    ppl = perplexity(held.events * held.mean_logp(mixture), held.events)
    return MixtureFit(method, mixture, ppl, held.member_ppl(), held.events, held.skipped, seconds, facts, held)
