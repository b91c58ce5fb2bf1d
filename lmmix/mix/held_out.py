"""Held-out text as a matrix: what every way of finding weights starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import InputError
from lmmix.fileio import PathLike
from lmmix.lm import LanguageModel
from lmmix.logmath import perplexity
from lmmix.mix.linear import LinearMixture
from lmmix.mix.mixture import Mixture


@dataclass(frozen=True)
class HeldOut:
    """K models with what they say of a held-out text.

    Attributes
    ----------
    members : list of LanguageModel
    paths : list of Path or None, or None
        Their files, see `Mixture`.
    names : list of str
        What to call them.
    corpus : Corpus
        The text, in the ids of the first model.
    logp : (T, K) float64
        ln p of each event under each model.
    kept : (n,) int64
        The events that count: all but OOVs to which no model gives a probability.
    """

    members: list[LanguageModel]
    paths: Sequence[PathLike | None] | None
    names: list[str]
    corpus: Corpus
    logp: np.ndarray
    kept: np.ndarray

    @property
    def events(self) -> int:
        """The number of events that count."""
        return len(self.kept)

    @property
    def skipped(self) -> int:
        """OOVs left out."""
        return len(self.logp) - len(self.kept)

    @property
    def rows(self) -> np.ndarray:
        """(n, K) ln p of the events that count."""
        return self.logp if not self.skipped else self.logp[self.kept]

    def member_ppl(self) -> list[float]:
        """(K,) perplexity of each model alone on the events that count."""
        return [perplexity(float(total), self.events) for total in self.rows.sum(axis=0)]

    def mean_logp(self, mixture: Mixture) -> float:
        """Mean ln p of the events that count under a mixture of the same models."""
        return float(mixture.combine(self.corpus, self.logp)[self.kept].mean())

    def part(self, sentences: np.ndarray) -> HeldOut:
        """Only some of the sentences, (S,) bool."""
        offsets = self.corpus.offsets
        inside = np.repeat(sentences, np.diff(offsets))
        number = np.cumsum(inside) - 1
        places = np.flatnonzero(inside)
        begin = np.zeros(int(sentences.sum()) + 1, np.int64)
        np.cumsum(np.diff(offsets)[sentences], out=begin[1:])
        oov_at = number[self.corpus.oov_at[inside[self.corpus.oov_at]]]
        corpus = Corpus(self.corpus.ids[places], begin, self.corpus.vocab, oov_at)
        kept = number[self.kept[inside[self.kept]]]
        return HeldOut(self.members, self.paths, self.names, corpus, self.logp[places], kept)

    def of_members(self, chosen: Sequence[int]) -> HeldOut:
        """Only some of the models, in that order."""
        members = [self.members[k] for k in chosen]
        paths = None if self.paths is None else [self.paths[k] for k in chosen]
        logp = np.ascontiguousarray(self.logp[:, chosen])
        return HeldOut(members, paths, [self.names[k] for k in chosen], self.corpus, logp, self.kept)


def score_held_out(
    members: Sequence[LanguageModel],
    dev: Corpus,
    paths: Sequence[PathLike | None] | None = None,
    threads: int | None = None,
) -> HeldOut:
    """What `members` say of `dev`, text that none of them was trained on.

    OOVs count as the event `<unk>`; where no model gives that a probability (closed vocabularies) they are left out and
    counted. Raises EventSpaceError for models of different vocabularies, InputError for a word of the vocabulary that
    every model gives probability 0, for nan, and if no event has a probability.
    """
    mixture = LinearMixture(members, np.full(len(members), 1.0 / max(1, len(members))), paths)
    dev = dev.recode(mixture.vocab)
    logp = mixture.score_members(dev, threads)
    oov = np.zeros(len(logp), bool)
    oov[dev.oov_at] = True
    kept = np.flatnonzero(~(oov & (logp == -np.inf).all(axis=1)))
    if not len(kept):
        raise InputError("no event of the held-out text has a probability in any model")
    _refuse_bad_rows(logp, kept, dev, mixture.names)
    return HeldOut(list(members), paths, mixture.names, dev, logp, kept)


def _refuse_bad_rows(logp: np.ndarray, kept: np.ndarray, dev: Corpus, names: list[str]) -> None:
    rows = logp if len(kept) == len(logp) else logp[kept]
    # A maximum is finite unless all members give 0, or one gives nan or more than exp(inf).
    good = np.isfinite(rows.max(axis=1))
    if good.all():
        return
    at = int(kept[np.argmin(good)])
    said = ", ".join(f"{name}: {value:g}" for name, value in zip(names, logp[at]))
    raise InputError(
        f"{place_of(dev, at)} of the held-out text has the log-probabilities {said}; a mixture needs a finite one from "
        "at least one model, and none that is nan or positive infinity"
    )


def place_of(corpus: Corpus, event: int) -> str:
    """The word and line of an event, to be named in an error."""
    sentence = int(np.searchsorted(corpus.offsets, event, side="right")) - 1
    return f"the word {corpus.vocab.words[corpus.ids[event]]!r} in {line_of(corpus, sentence)}"


def line_of(corpus: Corpus, sentence: int) -> str:
    """The line of a sentence, to be named in an error."""
    return f"line {sentence + 1}" + (" (empty lines not counted)" if corpus.empty_lines else "")
