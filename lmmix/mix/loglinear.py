"""A log-linear mixture of language models, itself a language model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.logmath import perplexity
from lmmix.mix.loglinear_fit import LogLinearResult, fit_loglinear
from lmmix.mix.mixture import score_all
from lmmix.mix.normalise import histories_of, joint_models, log_product

logger = logging.getLogger("lmmix")


class LogLinearMixture:
    """p(w | h) = Π_k p_k(w | h)^{w_k} / Z(h) over K models of one event space (Klakow 1998).

    Weights may be negative, and need not sum to 1; a model of weight 0 counts for nothing. Z(h) is the sum over all
    events. A word to which a model of positive weight gives probability 0 has probability 0. One of negative weight
    may not, unless all do: that is an InputError when it comes up. Back-off models are normalised exactly from their
    explicit words (`lmmix.ngram.joint`), others by computing whole distributions.

    The state is a list of the states of the members. Members may number their words differently, as long as
    they have the same ones; ids are those of the first.

    Raises EventSpaceError for different vocabularies, SettingError for weights that are not finite or all 0.
    """

    combination: ClassVar[str] = "loglinear"

    def __init__(
        self,
        members: Sequence[LanguageModel],
        weights: Sequence[float] | np.ndarray,
        paths: Sequence[PathLike] | None = None,
    ) -> None:
        self.members = list(members)
        self.paths = [Path(path) for path in paths] if paths is not None else None
        self.weights = _checked_weights(weights, len(self.members))
        self.vocab = self.members[0].vocab
        for name, member in zip(self.names[1:], self.members[1:]):
            self.vocab.check_same_events(member.vocab, self.names[0], name)
        # For each member the id of each of our words, or None where the ids are the same.
        self._ids = [None if m.vocab == self.vocab else self.vocab.translation(m.vocab) for m in self.members]
        self._used = np.flatnonzero(self.weights).tolist()

    @cached_property
    def names(self) -> list[str]:
        """What messages call the members."""
        return (
            [str(path) for path in self.paths] if self.paths else [f"model {k + 1}" for k in range(len(self.members))]
        )

    @property
    def signature(self) -> str:
        """The weights and the signatures of the members."""
        shares = ",".join(f"{weight:.6f}" for weight in self.weights)
        members = ";".join(f"[{member.signature}]" for member in self.members)
        return f"mixture:loglinear|weights:{shares}|members:{members}"

    def score_members(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T, K) ln p of each event under each member."""
        return score_all(self.members, corpus, threads)

    def combine(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of the mixture from the (T, K) of its members."""
        corpus = corpus.recode(self.vocab)
        events = np.arange(len(corpus.ids))
        histories = histories_of(self._some(self.members), self._some(self._ids), corpus, events, threads)
        log_z, _, zero = histories.sums(self.weights[self._used], False, threads)
        self._refuse_zero(zero)
        return self._product(logp) - log_z

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event."""
        return self.combine(corpus, self.score_members(corpus, threads), threads)

    def start(self, n: int) -> list[Any]:
        """The states of all members before the first word of n sentences."""
        return [member.start(n) for member in self.members]

    def advance(self, state: list[Any], words: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """((n,) ln p of `words`, the members' states behind them)."""
        steps = [
            member.advance(one, words if ids is None else ids[words])
            for member, one, ids in zip(self.members, state, self._ids)
        ]
        product = self._product(np.stack([logp for logp, _ in steps], axis=1))
        return product - self._log_z(state), [after for _, after in steps]

    def distribution(self, state: list[Any]) -> np.ndarray:
        """(n, V) probability of each next event."""
        product = self._products(state)
        product -= product.max(axis=1, keepdims=True)
        np.exp(product, out=product)
        product /= product.sum(axis=1, keepdims=True)
        return product

    def _log_z(self, state: list[Any]) -> np.ndarray:
        """(n,) ln Z of each history."""
        if self._joint is None:
            product = self._products(state)
            largest = product.max(axis=1)
            return largest + np.log(np.exp(product - largest[:, None]).sum(axis=1))
        log_z, _, zero = self._joint.of_states(self._some(state)).sums(self.weights[self._used], False, 1)
        self._refuse_zero(zero)
        return log_z

    @cached_property
    def _joint(self) -> Any:
        return joint_models(self._some(self.members), self._some(self._ids))

    def _products(self, state: list[Any]) -> np.ndarray:
        """(n, V) ln p of each next event, not normalised."""
        logp = []
        for member, one, ids in zip(self._some(self.members), self._some(state), self._some(self._ids)):
            p = member.distribution(one)
            with np.errstate(divide="ignore"):
                logp.append(np.log(p if ids is None else p[:, ids]))
        product, zero = log_product(logp, self.weights[self._used])
        self._refuse_zero(zero)
        return product

    def _product(self, logp: np.ndarray) -> np.ndarray:
        """(n,) Σ_k w_k logp[:, k], −inf where a member that counts gives probability 0."""
        used = logp[:, self._used]
        possible = np.isfinite(used).all(axis=1)
        return np.where(possible, np.where(possible[:, None], used, 0.0) @ self.weights[self._used], -np.inf)

    def _some(self, of_members: Sequence[Any]) -> list[Any]:
        """What belongs to the members that count."""
        return [of_members[k] for k in self._used]

    def _refuse_zero(self, zero: np.ndarray) -> None:
        for k, word in zip(self._used, zero.tolist()):
            if word >= 0 and self.weights[k] < 0:
                raise InputError(
                    f"{self.names[k]} has the weight {self.weights[k]:g} and gives the word {self.vocab.words[word]!r} "
                    "probability 0, which has no negative power; smooth that model, or give it a weight of 0 or more"
                )

    def parameters(self) -> dict[str, Any]:
        """What a file says of the mixture beside its members."""
        return {"weights": self.weights.tolist()}

    @classmethod
    def from_parameters(
        cls, members: Sequence[LanguageModel], parameters: dict[str, Any], paths: Sequence[PathLike] | None = None
    ) -> LogLinearMixture:
        """The mixture whose `parameters` these are. Raises KeyError, TypeError or ValueError if they are not."""
        return cls(members, [float(weight) for weight in parameters["weights"]], paths)


def _checked_weights(weights: Sequence[float] | np.ndarray, members: int) -> np.ndarray:
    values = np.array(weights, np.float64)
    if members == 0:
        raise SettingError("a mixture needs at least one model")
    if values.shape != (members,) or not np.isfinite(values).all() or not values.any():
        raise SettingError(f"weights {values.tolist()} must be {members} finite numbers, not all 0")
    return values


@dataclass(frozen=True)
class LogLinearFit:
    """A log-linear mixture with how its weights were found.

    Attributes
    ----------
    mixture : LogLinearMixture
    result : LogLinearResult
        Of the models that were not dropped.
    member_ppl : (K,) list of float
        Perplexity of each member alone on the same events.
    skipped : int
        OOV events left out because some member gives `<unk>` no probability.
    dropped : list of int
        Models of weight 0 because they would have a negative weight and give probability 0 to words.
    """

    mixture: LogLinearMixture
    result: LogLinearResult
    member_ppl: list[float]
    skipped: int
    dropped: list[int]


def fit_loglinear_mixture(
    models: Sequence[LanguageModel],
    dev: Corpus,
    paths: Sequence[PathLike] | None = None,
    *,
    tolerance: float = 1e-7,
    prior: float = 0.0,
    threads: int | None = None,
) -> LogLinearFit:
    """Find the weights of a log-linear mixture on held-out text.

    `dev` must be text that no model was trained on. OOVs count as the event `<unk>`; where some model gives that no
    probability (closed vocabularies) they are left out and counted. `tolerance` and `prior` as in `fit_loglinear`.

    Raises EventSpaceError for models of different vocabularies, InputError for a word of the vocabulary that some model
    gives probability 0.
    """
    mixture = LogLinearMixture(models, np.full(len(models), 1.0 / max(1, len(models))), paths)
    dev = dev.recode(mixture.vocab)
    logp = mixture.score_members(dev, threads)
    events = _possible_events(mixture, dev, logp)
    used = list(range(len(models)))
    while True:
        histories = histories_of([models[k] for k in used], [mixture._ids[k] for k in used], dev, events, threads)
        result = fit_loglinear(logp[events][:, used], histories, tolerance=tolerance, prior=prior, threads=threads)
        wrong = np.where(result.zero >= 0, result.weights, 0.0)
        if not (wrong < 0).any():
            break
        gone = used.pop(int(wrong.argmin()))
        logger.warning(
            "%s is left out: its weight would be negative, and it gives some words probability 0", mixture.names[gone]
        )
    weights = np.zeros(len(models))
    weights[used] = result.weights
    ppl = [perplexity(float(column.sum()), len(events)) for column in logp[events].T]
    dropped = [k for k in range(len(models)) if k not in used]
    return LogLinearFit(LogLinearMixture(models, weights, paths), result, ppl, len(logp) - len(events), dropped)


def _possible_events(mixture: LogLinearMixture, dev: Corpus, logp: np.ndarray) -> np.ndarray:
    """The events to which every member gives a probability; of the others only OOVs may be left out."""
    possible = np.isfinite(logp).all(axis=1)
    oov = np.zeros(len(logp), bool)
    oov[dev.oov_at] = True
    for at in np.flatnonzero(~(possible | oov))[:1].tolist():
        k = int(np.flatnonzero(~np.isfinite(logp[at]))[0])
        sentence = int(np.searchsorted(dev.offsets, at, side="right"))
        raise InputError(
            f"the word {dev.vocab.words[dev.ids[at]]!r} in sentence {sentence} of the held-out text has the "
            f"log-probability {logp[at, k]:g} in {mixture.names[k]}: a log-linear mixture needs a finite one from all"
        )
    if not possible.any():
        raise InputError("no event of the held-out text has a probability in every model")
    return np.flatnonzero(possible)
