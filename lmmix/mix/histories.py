"""What there is to know of histories without their words: numbers for each member, in a text or step by step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lmmix.corpus import Corpus
from lmmix.lm import LanguageModel
from lmmix.vocab import EOS

EVENT_FLOOR = -1000.0
"""What a member loses at most in one event against the best one: its probability there may be 0."""

FLOOR = -100.0
"""What a member has lost at most in all, against the one that has lost least: exp(−100) is no weight any more."""

NEEDED = {"length": "context_lengths", "backoff": "context_backoffs"}
"""What a member needs so that a kind of feature says something of it, for those kinds that not all models have."""


def offers(member: LanguageModel, kind: str) -> bool:
    """Whether a kind of feature says something of a model."""
    return kind not in NEEDED or (hasattr(member, "contexts") and hasattr(member, NEEDED[kind]))


@dataclass(frozen=True)
class Histories:
    """n histories, each that of the next event in its sentence. What nobody asked the `Historian` for is 0.

    Attributes
    ----------
    position : (n,) int64
        Events before, in the sentence.
    span : (n,) int64
        Those of them that `recent` is about.
    recent : (n, K) float64
        ln of the likelihood of the last `window` events (of all, if there is no window) under each member, beside the
        member that gives them most: 0 for that one, at least `FLOOR`.
    lengths : (n, K) int64
        Words in the longest known context of each member; 0 for members that have no contexts.
    backoffs : (n, K) float64
        ln of the back-off weight of that context; 0 for members that have no back-offs.
    counts : (n, C) float64
        How often each of C tables of counts has seen the longest context that any of them has seen.
    """

    position: np.ndarray
    span: np.ndarray
    recent: np.ndarray
    lengths: np.ndarray
    backoffs: np.ndarray
    counts: np.ndarray

    def __getitem__(self, rows: slice) -> Histories:
        return Histories(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class Memory(NamedTuple):
    """What is remembered step by step of n histories.

    `position` (n,), relative ln p of the last events `ring` (n, window, K), or their sum (n, 1, K) without a window,
    and the states of the count tables.
    """

    position: np.ndarray
    ring: np.ndarray
    tables: list[Any]


class Historian:
    """Finds the numbers of `Histories`, in whole texts and step by step.

    Members that have contexts say so by a method `contexts(corpus, threads)`, the states before each event, with
    `context_lengths(state)` (n,) and perhaps `context_backoffs(state)` (n,). Tables of counts have `contexts`, `start`,
    `advance(state, words)`, `context_lengths(state)` and `context_counts(state)` (n,).
    """

    def __init__(
        self,
        members: Sequence[LanguageModel],
        window: int | None = None,
        tables: Sequence[Any] = (),
        kinds: Collection[str] | None = None,
    ) -> None:
        """`kinds` are the features that the numbers are for (see `features.KINDS`); None: all."""
        self.members = list(members)
        self.window = window
        self.tables = list(tables)
        wanted = {"length", "backoff", "likelihood"} if kinds is None else set(kinds)
        self._recent = not wanted.isdisjoint(("likelihood", "average"))
        self._lengths = ["length" in wanted and offers(member, "length") for member in members]
        self._backoffs = ["backoff" in wanted and offers(member, "backoff") for member in members]

    def of_text(self, corpus: Corpus, logp: np.ndarray, threads: int | None = None) -> Histories:
        """T histories: those of each event of `corpus`, whose ln p (T, K) the members have given."""
        first = np.repeat(corpus.offsets[:-1], np.diff(corpus.offsets))
        position = np.arange(len(logp)) - first
        recent = self._recent_sums(logp, first) if self._recent else np.zeros(logp.shape)
        asked = [length or backoff for length, backoff in zip(self._lengths, self._backoffs)]
        states = [self._ask(k, "contexts", corpus, threads) if yes else None for k, yes in enumerate(asked)]
        tables = [table.contexts(corpus, threads) for table in self.tables]
        return self._histories(position, recent, states, tables)

    def _recent_sums(self, logp: np.ndarray, first: np.ndarray) -> np.ndarray:
        """(T, K) relative ln p of what counts for each event, whose sentence begins at `first` (T,)."""
        # Sums up to each event, and up to the first event that still counts for it.
        total = np.zeros((len(logp) + 1, logp.shape[1]))
        np.cumsum(_relative(logp), axis=0, out=total[1:])
        begin = first if self.window is None else np.maximum(first, np.arange(len(logp)) - self.window)
        return total[:-1] - total[begin]

    def _ask(self, k: int, what: str, *arguments: Any) -> Any:
        """Call a method of member k that not all models have."""
        return getattr(self.members[k], what)(*arguments)

    def begin(self, n: int) -> Memory:
        """The memory of `n` new sentences."""
        ring = np.zeros((n, self.window or 1, len(self.members)))
        return Memory(np.zeros(n, np.int64), ring, [table.start(n) for table in self.tables])

    def take(self, memory: Memory, rows: np.ndarray) -> Memory:
        """The memory of some histories, `rows` (m,), each any number of times."""
        return Memory(memory.position[rows], memory.ring[rows], [table[rows] for table in memory.tables])

    def of_states(self, memory: Memory, states: Sequence[Any]) -> Histories:
        """n histories, given the states of the members."""
        return self._histories(memory.position, memory.ring.sum(axis=1), states, memory.tables)

    def remember(self, memory: Memory, words: np.ndarray, logp: np.ndarray) -> Memory:
        """The memory behind `words`, to which the members gave ln p `logp` (n, K)."""
        relative = _relative(logp) if self._recent else np.zeros(logp.shape)
        if self.window is None:
            ring = memory.ring + relative[:, None]
        else:
            ring = np.concatenate([memory.ring[:, 1:], relative[:, None]], axis=1)
        ends = np.asarray(words) == EOS
        position = np.where(ends, 0, memory.position + 1)
        tables = [table.advance(state, words) for table, state in zip(self.tables, memory.tables)]
        return Memory(position, np.where(ends[:, None, None], 0.0, ring), tables)

    def _histories(
        self, position: np.ndarray, recent: np.ndarray, states: Sequence[Any], tables: Sequence[Any]
    ) -> Histories:
        shape = (len(position), len(self.members))
        lengths, backoffs = np.zeros(shape, np.int64), np.zeros(shape)
        for k, state in enumerate(states):
            if self._lengths[k]:
                lengths[:, k] = self._ask(k, NEEDED["length"], state)
            if self._backoffs[k]:
                backoffs[:, k] = self._ask(k, NEEDED["backoff"], state)
        recent = np.maximum(recent - recent.max(axis=1, keepdims=True), FLOOR)
        span = position if self.window is None else np.minimum(position, self.window)
        return Histories(position, span, recent, lengths, backoffs, self._counts(tables, len(position)))

    def _counts(self, states: Sequence[Any], n: int) -> np.ndarray:
        """(n, C) counts of the longest context that any table has seen; 0 in those that have seen a shorter one."""
        if not self.tables:
            return np.zeros((n, 0))
        pairs = list(zip(self.tables, states))
        counts = np.stack([table.context_counts(state) for table, state in pairs], axis=1)
        lengths = np.stack([table.context_lengths(state) for table, state in pairs], axis=1)
        return np.where(lengths == lengths.max(axis=1, keepdims=True), counts, 0.0)


def _relative(logp: np.ndarray) -> np.ndarray:
    """(n, K) ln p − its maximum over the members, at least `EVENT_FLOOR`; 0 where no member gives a probability."""
    best = logp.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(best > -np.inf, np.maximum(logp - best, EVENT_FLOOR), 0.0)
