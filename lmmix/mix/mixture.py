"""What all mixtures of language models have in common; each way of combining is a file beside this one."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel, sees_ahead, taken
from lmmix.mix.members import advanced, distributions, ids_of_members
from lmmix.progress import task


class MixtureState(NamedTuple):
    """What a mixture remembers of n histories: the states of its members, and its own, which may be None."""

    members: list[Any]
    own: Any


class Mixture(ABC):
    """K language models of one event space that together give one probability; itself a `LanguageModel`.

    Members may number their words differently, as long as they have the same ones; ids are those of the first.

    Attributes
    ----------
    members : list of LanguageModel
    paths : list of Path or None, or None
        Their files; None for a member that describes itself (see `lmmix.lm.described`).
    vocab : Vocab
        That of the first member.

    Raises EventSpaceError for different vocabularies, SettingError without a member, with another number of files, or
    for a member that sees ahead (`lmmix.lm.sees_ahead`).
    """

    combination: ClassVar[str]
    """The name of the way of combining, in files and signatures."""

    def __init__(self, members: Sequence[LanguageModel], paths: Sequence[PathLike | None] | None = None) -> None:
        if not members:
            raise SettingError("a mixture needs at least one model")
        if paths is not None and len(paths) != len(members):
            raise SettingError(f"{len(paths)} files for {len(members)} models; give each its own, or None")
        self.members = list(members)
        self.paths = [None if path is None else Path(path) for path in paths] if paths is not None else None
        self.vocab = self.members[0].vocab
        names = self.names
        for name, member in zip(names, self.members):
            if sees_ahead(member):
                raise SettingError(
                    f"{name} scores words by what follows them, too, which no mixture can use; "
                    "give it to rescoring as a feature of its own"
                )
        for name, member in zip(names[1:], self.members[1:]):
            self.vocab.check_same_events(member.vocab, names[0], name)
        self._ids = ids_of_members(self.vocab, self.members)

    @property
    def names(self) -> list[str]:
        """(K,) what to call the members: their files, or what they are, or numbers from 1."""
        paths = self.paths or [None] * len(self.members)
        return [_name(k, member, path) for k, (member, path) in enumerate(zip(self.members, paths))]

    @property
    def free_numbers(self) -> int:
        """How many numbers were found on held-out text: one a member, where a subclass has no more."""
        return len(self.members)

    @property
    def signature(self) -> str:
        """The combination, its parameters, and the signatures of the members."""
        members = ";".join(f"[{member.signature}]" for member in self.members)
        return f"mixture:{self.combination}|{self.parameter_signature()}|members:{members}"

    @abstractmethod
    def parameter_signature(self) -> str:
        """The part of the signature that names the parameters."""

    @abstractmethod
    def parameters(self, folder: Path) -> dict[str, Any]:
        """All but the members, as a file in `folder` holds it (JSON): further arguments of the class, by name."""

    @classmethod
    def from_parameters(
        cls,
        members: Sequence[LanguageModel],
        parameters: dict[str, Any],
        paths: Sequence[PathLike | None] | None,
        folder: Path,
    ) -> Mixture:
        """The mixture that `parameters` from a file in `folder` describe.

        Raises SettingError, KeyError, TypeError, AttributeError or ValueError for parameters that describe none.
        """
        names = inspect.signature(cls).parameters.keys() - {"members", "paths"}
        if parameters.keys() != names:
            raise SettingError(f"there are {', '.join(parameters)}; there must be {', '.join(sorted(names))}")
        return cls(members, paths=paths, **parameters)

    @abstractmethod
    def combine(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`, given (T, K) those of the members."""

    def score_members(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T, K) ln p of each event under each member."""
        logp = np.empty((len(corpus.ids), len(self.members)))
        with task("scoring", len(self.members)) as advance:
            for k, model in enumerate(self.members):
                logp[:, k] = model.score(corpus, threads)
                advance(1)
        return logp

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event."""
        corpus = corpus.recode(self.vocab)
        return self.combine(corpus, self.score_members(corpus, threads), threads)

    @abstractmethod
    def start(self, n: int) -> MixtureState:
        """The states before the first word of n sentences."""

    @abstractmethod
    def advance(self, state: MixtureState, words: np.ndarray) -> tuple[np.ndarray, MixtureState]:
        """((n,) ln p of `words`, the states behind them)."""

    @abstractmethod
    def distribution(self, state: MixtureState) -> np.ndarray:
        """(n, V) probability of each next event."""

    def take(self, state: MixtureState, rows: np.ndarray) -> MixtureState:
        """The states of some histories, `rows` (m,), each any number of times."""
        members = [taken(member, part, rows) for member, part in zip(self.members, state.members)]
        return MixtureState(members, self._take_own(state.own, rows))

    def _take_own(self, own: Any, rows: np.ndarray) -> Any:
        """The own state of some histories: an array of one row for each, or None, but where a subclass knows better."""
        return None if own is None else own[rows]

    def save(self, path: PathLike, tuning: dict[str, Any] | None = None) -> None:
        """Write the mixture as JSON; see `lmmix.mix.mixture_file.save_mixture`."""
        from lmmix.mix.mixture_file import save_mixture

        save_mixture(self, path, tuning)

    def _start_members(self, n: int) -> list[Any]:
        return [member.start(n) for member in self.members]

    def _advance_members(self, states: list[Any], words: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """((n, K) ln p of `words`, the members' states behind them)."""
        logp, after = advanced(self.members, self._ids, states, words)
        return np.stack(logp, axis=1), after

    def _distributions(self, states: list[Any]) -> Iterator[np.ndarray]:
        """(n, V) probability of each next event, member by member."""
        return distributions(self.members, self._ids, states)


def _name(k: int, member: LanguageModel, path: Path | None) -> str:
    if path is not None:
        return str(path)
    return member.description()["kind"] if hasattr(member, "description") else f"model {k + 1}"
