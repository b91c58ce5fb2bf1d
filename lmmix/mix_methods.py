"""Ways to find a mixture, by name: a held-out text as a matrix in, a mixture and what there is to tell out.

What a way needs is imported when it is used: optimisers are heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lmmix.errors import SettingError
from lmmix.lm import LanguageModel
from lmmix.logmath import perplexity
from lmmix.mix.auto import choose
from lmmix.mix.em import fit_em
from lmmix.mix.features import USUAL
from lmmix.mix.goal import WeightsFit
from lmmix.mix.held_out import HeldOut
from lmmix.mix.histories import offers
from lmmix.mix.linear import LinearMixture
from lmmix.mix.mixture import Mixture
from lmmix.mix.online import fit_online, regret

if TYPE_CHECKING:
    from lmmix.mix.fit_gate import GateFit


@dataclass(frozen=True)
class MixSettings:
    """What the ways of mixing can be told; each takes what concerns it.

    Attributes
    ----------
    tolerance : float
        Gap to the best, nats per event, at which `em`, `newton` and `lbfgs` stop.
    dirichlet : float
        α of a Dirichlet prior on static weights; 1 is none, more pulls towards equal weights.
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
        Size of what `fourier` and `nystroem` put between features and weights.
    target : LanguageModel, optional
        The model that `divergence` and `regression` go towards.
    histories : int, optional
        How many histories of the text these two look at; default: all.
    seed : int
        Of all that is drawn.
    threads : int, optional
    """

    tolerance: float = 1e-6
    dirichlet: float = 1.0
    features: Sequence[str] = USUAL
    window: int | None = None
    scale: float | None = None
    prior: float = 0.2
    tables: Sequence[Any] = ()
    units: int = 100
    target: LanguageModel | None = None
    histories: int | None = None
    seed: int = 1
    threads: int | None = None


Facts = dict[str, Any]
Found = tuple[Mixture, Facts, HeldOut]
"""A mixture, what there is to tell of it, and the held-out text with those events kept on which it was found."""

Method = Callable[[HeldOut, MixSettings], Found]


def _static(fit: Callable[..., WeightsFit], held: HeldOut, settings: MixSettings) -> Found:
    found = fit(held.rows, prior=settings.dirichlet, tolerance=settings.tolerance, threads=settings.threads)
    curve = [{"ppl": perplexity(logp, found.events), "gap": gap} for logp, gap in found.curve]
    facts = {"weights": found.weights.tolist(), "gap": found.gap, "iterations": found.iterations, "curve": curve}
    return LinearMixture(held.members, found.weights, held.paths), facts, held


def _newton(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.newton import fit_newton

    return _static(fit_newton, held, settings)


def _lbfgs(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.lbfgs import fit_lbfgs

    return _static(fit_lbfgs, held, settings)


def _regression(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.least_squares import fit_least_squares

    found = fit_least_squares(
        held.members, held.corpus, settings.target, histories=settings.histories, seed=settings.seed
    )
    facts = {"weights": found.weights.tolist(), "coefficients": found.coefficients.tolist(), "loss": found.loss}
    return LinearMixture(held.members, found.weights, held.paths), {**facts, "loss_gap": found.gap}, held


def _divergence(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.target import fit_to_target

    if settings.target is None:
        raise SettingError("the method 'divergence' needs a target model to go towards (--target)")
    found = fit_to_target(
        held.members, held.corpus, settings.target, histories=settings.histories, seed=settings.seed,
        prior=settings.dirichlet, tolerance=settings.tolerance,
    )  # fmt: skip
    mixture = LinearMixture(held.members, found.fit.weights, held.paths)
    facts = {"weights": found.fit.weights.tolist(), "divergence_gap": found.fit.gap, "iterations": found.fit.iterations}
    return mixture, {**facts, "divergence": found.divergence, "target_entropy": found.entropy}, held


def _gate_facts(fit: GateFit) -> Facts:
    linear = {"linear_ppl": fit.em.ppl, "linear_weights": fit.em.weights.tolist()}
    return {**linear, "iterations": fit.iterations, "slope": fit.slope, "curve": [{"ppl": ppl} for ppl in fit.curve]}


def _context(held: HeldOut, settings: MixSettings, make_map: Any = None, features: Sequence[str] = ()) -> Found:
    from lmmix.mix.fit_context import fit_context

    mixture, fit = fit_context(
        held,
        features or settings.features,
        window=settings.window,
        tables=settings.tables,
        prior=settings.prior,
        make_map=make_map,
        threads=settings.threads,
    )
    return mixture, _gate_facts(fit), held


def _buckets(held: HeldOut, settings: MixSettings) -> Found:
    return _context(held, settings, features=("length",))


def _counts(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.fit_context import fit_own

    mixture, fit = fit_own(held, "counts", tables=settings.tables, threads=settings.threads)
    return mixture, _gate_facts(fit), held


def _bayes(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.fit_context import fit_own

    window = 2 if settings.window is None else settings.window
    mixture, fit = fit_own(held, "likelihood", scale=settings.scale, window=window, threads=settings.threads)
    return mixture, {**_gate_facts(fit), "window": window, "scale": float(fit.gate.theta[0, 0])}, held


def _fourier(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.maps import fourier_map

    return _context(held, settings, lambda features, _: fourier_map(features, settings.units, seed=settings.seed))


def _nystroem(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.maps import nystroem_map

    return _context(held, settings, lambda features, _: nystroem_map(features, settings.units, seed=settings.seed))


def _network(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.gate import HiddenMap
    from lmmix.neural.gate import hidden_layer

    return _context(held, settings, lambda features, logp: HiddenMap(*hidden_layer(features, logp, seed=settings.seed)))


def _sentence(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.fit_context import fit_sentences

    mixture, fit = fit_sentences(held, tolerance=settings.tolerance, threads=settings.threads)
    return mixture, {"weights": fit.weights.tolist(), "sentence_gap": fit.gap, "iterations": fit.iterations}, held


def _loglinear(held: HeldOut, settings: MixSettings) -> Found:
    from lmmix.mix.loglinear import fit_loglinear_mixture

    fit = fit_loglinear_mixture(held, threads=settings.threads)
    facts = {"weights": fit.mixture.weights.tolist(), "newton_gap": fit.result.gap, "dropped": fit.dropped}
    curve = [{"ppl": perplexity(logp, fit.result.events)} for logp, _ in fit.result.curve]
    facts |= {"iterations": fit.result.iterations, "curve": curve}
    # A product has no place for an event to which one model gives nothing.
    return fit.mixture, facts, replace(held, kept=fit.events)


def _online(held: HeldOut, settings: MixSettings) -> Found:
    em = fit_em(held.rows, tolerance=settings.tolerance, threads=settings.threads)
    mixture = fit_online(held.members, held.corpus, held.logp, em.weights, paths=held.paths)
    found = regret(mixture, held.corpus, held.logp, settings.threads)
    facts = {"weights": em.weights.tolist(), "rate": mixture.rate, "share": mixture.share}
    return mixture, {**facts, "linear_ppl": em.ppl, "regret_per_event": found.per_event}, held


def _auto(held: HeldOut, settings: MixSettings) -> Found:
    possible = {
        "counts": bool(settings.tables),
        "buckets": any(offers(member, "length") for member in held.members),
    }
    names = [name for name in AUTO if possible.get(name, True)]
    choice = choose({name: partial(_mixture_of, METHODS[name], settings) for name in names}, held)
    mixture, facts, held = METHODS[choice.name](held, settings)
    return mixture, {**facts, "chosen": choice.name, "cross_validation": choice.table}, held


def _mixture_of(method: Method, settings: MixSettings, held: HeldOut) -> Mixture:
    return method(held, settings)[0]


METHODS: dict[str, Method] = {
    "em": partial(_static, fit_em),
    "newton": _newton,
    "lbfgs": _lbfgs,
    "divergence": _divergence,
    "regression": _regression,
    "buckets": _buckets,
    "counts": _counts,
    "bayes": _bayes,
    "context": _context,
    "fourier": _fourier,
    "nystroem": _nystroem,
    "network": _network,
    "sentence": _sentence,
    "loglinear": _loglinear,
    "online": _online,
    "auto": _auto,
}
"""All ways there are."""

AUTO = ("em", "buckets", "bayes", "counts", "context")
"""What `auto` chooses from, the simplest first."""
