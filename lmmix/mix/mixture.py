"""A linear mixture of language models, itself a language model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import FormatError, InputError, SettingError
from lmmix.fileio import PathLike, explain_errors, file_fingerprint, read_json, write_json
from lmmix.lm import LanguageModel, load
from lmmix.mix import _kernels as kernels
from lmmix.mix.em import fit_em
from lmmix.mix.events import ZeroEventError
from lmmix.mix.goal import WeightsFit
from lmmix.progress import task

KIND = "mixture"
VERSION = 1


class Mixture:
    """p(w | h) = Σ_k λ_k p_k(w | h) over K models of one event space (Jelinek & Mercer 1980).

    The state is a list of the states of the members. Members may number their words differently, as long as
    they have the same ones; ids are those of the first.

    Raises EventSpaceError for different vocabularies, SettingError for weights that are not on the simplex.
    """

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
        names = [str(path) for path in self.paths] if self.paths else [f"model {k + 1}" for k in range(len(members))]
        for name, member in zip(names[1:], self.members[1:]):
            self.vocab.check_same_events(member.vocab, names[0], name)
        # For each member the id of each of our words, or None where the ids are the same.
        self._ids = [None if m.vocab == self.vocab else self.vocab.translation(m.vocab) for m in self.members]
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(self.weights)

    @property
    def signature(self) -> str:
        """The weights and the signatures of the members."""
        shares = ",".join(f"{weight:.6f}" for weight in self.weights)
        members = ";".join(f"[{member.signature}]" for member in self.members)
        return f"mixture:linear|weights:{shares}|members:{members}"

    def score_members(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T, K) ln p of each event under each member."""
        return score_all(self.members, corpus, threads)

    def combine(self, logp: np.ndarray) -> np.ndarray:
        """(T,) ln p of the mixture from the (T, K) of its members."""
        out = np.empty(len(logp))
        kernels._mix_rows(np.ascontiguousarray(logp, np.float64), self._log_weights, out)
        return out

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event."""
        return self.combine(self.score_members(corpus, threads))

    def shares(self, logp: np.ndarray) -> np.ndarray:
        """(T, K) each member's part of the mixture's probability of each event; nan where that is 0."""
        with np.errstate(invalid="ignore"):
            return np.exp(logp + self._log_weights - self.combine(logp)[:, None])

    def start(self, n: int) -> list[Any]:
        """The states of all members before the first word of n sentences."""
        return [member.start(n) for member in self.members]

    def advance(self, state: list[Any], words: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """((n,) ln p of `words`, the members' states behind them)."""
        steps = [
            member.advance(one, words if ids is None else ids[words])
            for member, one, ids in zip(self.members, state, self._ids)
        ]
        return self.combine(np.stack([logp for logp, _ in steps], axis=1)), [after for _, after in steps]

    def distribution(self, state: list[Any]) -> np.ndarray:
        """(n, V) probability of each next event."""
        parts = (member.distribution(one) for member, one in zip(self.members, state))
        return sum(
            weight * (part if ids is None else part[:, ids])
            for weight, part, ids in zip(self.weights, parts, self._ids)
        )

    def save(self, path: PathLike, tuning: dict[str, Any] | None = None) -> None:
        """Write a JSON file that names the members by relative path and fingerprint; `tuning` is kept with it.

        Raises SettingError for members that are not in files.
        """
        if self.paths is None:
            raise SettingError(
                "a mixture can be saved only if its members have files: Mixture(members, weights, paths)"
            )
        folder = Path(path).absolute().parent
        members = [
            {
                "path": os.path.relpath(member_path.absolute(), folder),
                "weight": float(weight),
                "fingerprint": file_fingerprint(member_path),
                "signature": member.signature,
            }
            for member_path, weight, member in zip(self.paths, self.weights, self.members)
        ]
        content = {"kind": KIND, "version": VERSION, "combination": "linear", "vocab": self.vocab.fingerprint}
        write_json(path, {**content, "members": members, "tuning": tuning or {}})


def _checked_weights(weights: Sequence[float] | np.ndarray, members: int) -> np.ndarray:
    values = np.array(weights, np.float64)
    if members == 0:
        raise SettingError("a mixture needs at least one model")
    if values.shape != (members,) or not (values >= 0).all() or abs(values.sum() - 1.0) > 1e-6:
        raise SettingError(f"weights {values.tolist()} must be {members} numbers, none negative, with sum 1")
    return values / values.sum()


def load_mixture(path: PathLike) -> Mixture:
    """The mixture that `path` describes, with its members from their files.

    Raises FormatError for a file that lacks something or a member that is not the one the weights were found for.
    """
    content = read_json(path)
    folder = Path(path).absolute().parent
    try:
        if content["version"] != VERSION:
            raise FormatError(f"{path}: mixture version {content['version']!r}; this lmmix reads version {VERSION}")
        if content["combination"] != "linear":
            raise FormatError(f"{path}: a {content['combination']!r} mixture; this lmmix reads linear ones")
        str(content["vocab"])
        rows = [(str(row["path"]), float(row["weight"]), row["fingerprint"]) for row in content["members"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{path}: not a complete mixture: {type(error).__name__} {error}") from None
    members, paths = [], []
    for name, _, fingerprint in rows:
        member_path = folder / name
        with explain_errors(path, f"use the member {name[:80]}"):
            if not member_path.exists():
                raise InputError(f"{path}: its member {name} is not there (looked for {member_path})")
        if file_fingerprint(member_path) != fingerprint:
            raise FormatError(f"{path}: its member {name} has changed since; find the weights again with lmmix mix")
        members.append(load(member_path))
        paths.append(member_path)
    try:
        mixture = Mixture(members, [weight for _, weight, _ in rows], paths)
    except SettingError as error:
        raise FormatError(f"{path}: {error}") from None
    if content["vocab"] != mixture.vocab.fingerprint:
        raise FormatError(f"{path}: its members have another vocabulary than the one it was made for")
    return mixture


def score_all(models: Sequence[LanguageModel], corpus: Corpus, threads: int | None = None) -> np.ndarray:
    """(T, K) ln p of each event of `corpus` under each model."""
    logp = np.empty((len(corpus.ids), len(models)))
    with task("scoring", len(models)) as advance:
        for k, model in enumerate(models):
            logp[:, k] = model.score(corpus, threads)
            advance(1)
    return logp


@dataclass(frozen=True)
class MixtureFit:
    """A mixture with how its weights were found.

    Attributes
    ----------
    mixture : Mixture
    em : WeightsFit
    member_ppl : (K,) list of float
        Perplexity of each member alone on the same events.
    skipped : int
        OOV events left out because no member gives `<unk>` a probability.
    """

    mixture: Mixture
    em: WeightsFit
    member_ppl: list[float]
    skipped: int


def fit_mixture(
    models: Sequence[LanguageModel],
    dev: Corpus,
    paths: Sequence[PathLike] | None = None,
    *,
    tolerance: float = 1e-6,
    threads: int | None = None,
) -> MixtureFit:
    """Find the weights of a linear mixture on held-out text.

    `dev` must be text that no model was trained on. OOVs count as the event `<unk>`; where no model gives that a
    probability (closed vocabularies) they are left out and counted. Raises EventSpaceError for models of
    different vocabularies, InputError for a word of the vocabulary that every model gives probability 0.
    """
    mixture = Mixture(models, np.full(len(models), 1.0 / max(1, len(models))), paths)
    dev = dev.recode(mixture.vocab)
    logp = mixture.score_members(dev)
    oov = np.zeros(len(logp), bool)
    oov[dev.oov_at] = True
    keep = np.flatnonzero(~(oov & (logp == -np.inf).all(axis=1)))
    if not len(keep):
        raise InputError("no event of the held-out text has a probability in any model")
    kept = logp[keep]
    try:
        em = fit_em(kept, tolerance=tolerance, threads=threads)
    except ZeroEventError as error:
        at = int(keep[error.row])
        sentence = int(np.searchsorted(dev.offsets, at, side="right"))
        word = dev.vocab.words[dev.ids[at]]
        raise InputError(f"the word {word!r} in sentence {sentence} of the held-out text: {error}") from None
    ppl = [float(np.exp(-column.mean())) for column in kept.T]
    return MixtureFit(Mixture(models, em.weights, paths), em, ppl, len(logp) - len(keep))
