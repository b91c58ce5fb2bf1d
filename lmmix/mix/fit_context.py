"""Ways to find a `ContextMixture` on held-out text: which features, and what of the gate is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lmmix.errors import InputError, SettingError
from lmmix.mix.context import ContextMixture
from lmmix.mix.em import fit_em
from lmmix.mix.events import ZeroEventError
from lmmix.mix.features import USUAL
from lmmix.mix.fit_gate import PRIOR, GateFit, fit_gate
from lmmix.mix.gate import FeatureMap, Gate
from lmmix.mix.held_out import HeldOut, line_of
from lmmix.mix.histories import offers


def fit_context(
    held: HeldOut,
    kinds: Sequence[str] = USUAL,
    *,
    window: int | None = None,
    tables: Sequence[Any] = (),
    prior: float = PRIOR,
    make_map: Callable[[np.ndarray, np.ndarray], FeatureMap] | None = None,
    threads: int | None = None,
) -> tuple[ContextMixture, GateFit]:
    """Weights from features with θ free: generalised linear interpolation, bucketed weights.

    See `ContextMixture` for `kinds`, `window` and `tables`, `fit_gate` for `prior`. The usual kinds are those of them
    that say something of a model here. With `make_map(features, logp)` the features go through the map that it makes
    of those of the text. Raises SettingError.
    """
    if tuple(kinds) == USUAL:
        kinds = [kind for kind in kinds if any(offers(member, kind) for member in held.members)]
    mixture = ContextMixture(held.members, None, kinds, window, tables, held.paths)
    features = mixture.feature_matrix(held.corpus, held.logp, threads)[held.kept]
    mapping = make_map(features, held.rows) if make_map else None
    fit = fit_gate(held.rows, features, mapping=mapping, prior=prior, threads=threads)
    mixture.gate = fit.gate
    return mixture, fit


def fit_own(
    held: HeldOut,
    kind: str,
    *,
    scale: float | None = 1.0,
    window: int | None = None,
    tables: Sequence[Any] = (),
    threads: int | None = None,
) -> tuple[ContextMixture, GateFit]:
    """Weights w_k(h) ∝ exp(bias_k + scale · f_k(h)) with one feature a member and only the bias to be found.

    With `counts` it is count merging (Bacchiani et al. 2006; MITLM's CM): w_k ∝ β_k c_k(h); with `likelihood` Bayesian
    interpolation (SRILM's -bayes): w_k ∝ λ_k p_k(last `window` events)^scale. `scale` None: it is found too,
    from 0 on, where the weights are fixed. Raises SettingError.
    """
    if kind not in ("counts", "likelihood"):
        raise SettingError(
            f"the feature is {kind!r}; it must be counts or likelihood, which say something of one member"
        )
    if scale is not None and not 0 <= scale < np.inf:
        raise SettingError(f"scale is {scale}; it must be a number, 0 or more")
    mixture = ContextMixture(held.members, None, (kind,), window, tables, held.paths)
    features = mixture.feature_matrix(held.corpus, held.logp, threads)[held.kept]
    one_each = np.eye(len(held.members))
    fixed = one_each if scale is None else scale * one_each
    fit = fit_gate(held.rows, features, fixed=fixed, scaled=scale is None, threads=threads)
    mixture.gate = fit.gate
    return mixture, fit


def fit_sentences(held: HeldOut, *, tolerance: float = 1e-6, threads: int | None = None) -> tuple[ContextMixture, Any]:
    """The mixture of sentences p(s) = Σ_k λ_k p_k(s) (Iyer, Ostendorf & Rohlicek 1994), λ by EM over sentences.

    Word by word it is a mixture whose weights are the posteriors of the members given the sentence so far:
    w_k(h) ∝ λ_k p_k(h). Returns it with what `fit_em` says; events are sentences there.
    """
    counted = np.zeros(len(held.logp), bool)
    counted[held.kept] = True
    sums = np.add.reduceat(np.where(counted[:, None], held.logp, 0.0), held.corpus.offsets[:-1])
    try:
        em = fit_em(sums, tolerance=tolerance, threads=threads)
    except ZeroEventError as error:
        raise InputError(
            f"the sentence in {line_of(held.corpus, error.row)} of the held-out text has probability 0 in every model"
        ) from None
    with np.errstate(divide="ignore"):
        gate = Gate(np.log(em.weights), np.eye(len(held.members)))
    return ContextMixture(held.members, gate, ("likelihood",), None, (), held.paths), em
