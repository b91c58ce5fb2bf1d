"""Building an `NgramTree` from n-grams that come order by order, in any sequence, as in an ARPA file."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from lmmix import __version__
from lmmix.errors import FormatError
from lmmix.logmath import ARPA_LOG_ZERO, LN10
from lmmix.ngram import _query_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.vocab import BOS, Vocab

logger = logging.getLogger("lmmix")


@dataclass
class Section:
    """The lines of one order: words as ids (rows, n), log10 numbers (rows,), lines in the file (rows,)."""

    ids: np.ndarray
    log10p: np.ndarray
    log10bow: np.ndarray
    line: np.ndarray


@dataclass
class Problems:
    """Either raises at the first problem or, when repairing, counts problems by kind."""

    path: str
    repair: bool
    counted: dict[str, int] = field(default_factory=dict)

    def found(self, where: str, what: str, cure: str, times: int = 1) -> None:
        """Raise FormatError for `what` at `where`, or note that `cure` was applied."""
        if not self.repair:
            raise FormatError(f"{self.path}{where}: {what} (lmmix convert --repair: {cure})")
        self.counted[cure] = self.counted.get(cure, 0) + times

    def log(self) -> None:
        """Warn of everything that was repaired."""
        for cure, times in self.counted.items():
            logger.warning("%s: repaired: %s (%d times)", self.path, cure, times)


class TreeBuilder:
    """Builds the tree and its numbers order by order."""

    def __init__(self, vocab: Vocab, order: int, unigrams: Section, problems: Problems) -> None:
        self.vocab = vocab
        self.problems = problems
        self.order = order
        size = len(vocab)
        self.level = np.zeros(order + 2, np.int64)
        self.level[1], self.level[2:] = 1, 1 + size
        self.word = np.concatenate([np.zeros(1, np.int32), np.arange(size, dtype=np.int32)])
        self.begin = np.ones(1, np.int32)
        self.suffix = np.zeros(1 + size, np.int32)
        self.line = np.zeros(1 + size, np.int64)
        self.logp = np.full(1 + size, -np.inf)
        self.backoff = np.full(1 + size, np.nan)
        nodes = 1 + unigrams.ids[:, 0]
        self.logp[nodes] = self._checked_logp(unigrams)
        self.backoff[nodes] = self._checked_backoff(unigrams)
        self.line[nodes] = unigrams.line

    def _checked_logp(self, section: Section) -> np.ndarray:
        values = section.log10p
        bad = np.isnan(values)
        if bad.any():
            self._complain(section, bad, "the log-probability is nan", "nan read as probability 0")
            values = np.where(bad, -np.inf, values)
        bad = values > 0
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            self._complain(
                section,
                bad,
                f"the log-probability {values[row]:g} is positive",
                "positive log-probabilities read as 0",
            )
            values = np.minimum(values, 0.0)
        return _natural(values)

    def _checked_backoff(self, section: Section) -> np.ndarray:
        """Natural logs; nan where there is none."""
        values = section.log10bow
        bad = values > -ARPA_LOG_ZERO
        if bad.any():
            self._complain(section, bad, "the back-off is nan, infinite or above 99", "bad back-offs read as 0")
            values = np.where(bad, 0.0, values)
        return _natural(values)

    def _complain(self, section: Section, bad: np.ndarray, what: str, cure: str) -> None:
        self.problems.found(f":{section.line[int(np.flatnonzero(bad)[0])]}", what, cure, int(bad.sum()))

    def add(self, section: Section, order: int) -> None:
        """Add the n-grams of the next order."""
        section, context = self._placed(section)
        first, rows = len(self.word), len(section.ids)
        self.level[order + 1 :] = first + rows
        parents = np.arange(self.level[order - 1], self.level[order])
        self.begin = np.concatenate([self.begin, first + np.searchsorted(context, parents).astype(np.int32)])
        # The children of the level before end where this level ends, until it gets children itself.
        begin = np.append(self.begin, np.int32(first + rows))
        self.word = np.concatenate([self.word, section.ids[:, -1]])
        self.suffix = np.concatenate([self.suffix, np.zeros(rows, np.int32)])
        self.line = np.concatenate([self.line, section.line])
        missing = np.empty(rows, np.int32)
        kernels._link_suffixes(self.word, begin, self.suffix, context.astype(np.int64), first, missing)
        self._check_contexts(parents[begin[parents] < begin[parents + 1]])
        self.logp = np.concatenate([self.logp, self._checked_logp(section)])
        if order < self.order:
            self.backoff = np.concatenate([self.backoff, self._checked_backoff(section)])

    def _placed(self, section: Section) -> tuple[Section, np.ndarray]:
        """The rows sorted by context and last word, and the node of each one's context."""
        context = np.empty(len(section.ids), np.int32)
        begin = np.append(self.begin, np.int32(len(self.word)))
        kernels._find_contexts(section.ids, self.word, begin, context)
        bad = context < 0
        if bad.any():
            self._complain(
                section,
                bad,
                "the n-gram is there, but not its context (all words but the last)",
                "n-grams without context left out",
            )
            section, context = _rows(section, ~bad), context[~bad]
        key = (context.astype(np.int64) << 32) | section.ids[:, -1]
        if not (key[1:] > key[:-1]).all():
            order = np.argsort(key, kind="stable")
            section, context, key = _rows(section, order), context[order], key[order]
            twice = np.append(False, key[1:] == key[:-1])
            if twice.any():
                self._complain(section, twice, "the n-gram is there twice", "repeated n-grams left out")
                section, context = _rows(section, ~twice), context[~twice]
        return section, context

    def _check_contexts(self, contexts: np.ndarray) -> None:
        """Contexts of longer n-grams must have a back-off, but for an `<s>` that is no unigram of the file."""
        bad = contexts[np.isnan(self.backoff[contexts])]
        bad = bad[bad != 1 + BOS] if not self.line[1 + BOS] else bad
        if len(bad):
            node = int(bad[0])
            # A special word that the file lacks has no line, but the n-gram behind it has.
            line = self.line[node] or self.line[self.begin[node]]
            what = f"{self._shown(node)} is the context of longer n-grams, but has no back-off"
            self.problems.found(f":{line}", what, "missing back-offs read as 0", len(bad))

    def _shown(self, node: int) -> str:
        """A node as text: its word with that of its contexts before it."""
        words = []
        while node:
            words.append(self.vocab.words[self.word[node]])
            node = int(np.searchsorted(self.begin, node, "right")) - 1
        return repr(" ".join(reversed(words)))

    def finish(self, name: str) -> BackoffModel:
        """The model; `name` is that of the file, for the signature."""
        begin = np.append(self.begin, np.int32(len(self.word)))
        tree = NgramTree(self.level, self.word, begin, self.suffix)
        self.logp[1:][self.word[1:] == BOS] = -np.inf
        backoff = np.where(np.isnan(self.backoff), 0.0, self.backoff)
        backoff = backoff[: self.level[self.order]]
        signature = (
            f"arpa:{name}|order:{self.order}|tokens:{self.vocab.tokenizer}|vocab:{self.vocab.fingerprint}"
            f"|eos:yes|lmmix:{__version__}"
        )
        return BackoffModel(tree, self.logp, backoff, self.vocab, signature)


def _natural(log10: np.ndarray) -> np.ndarray:
    """Natural logs of checked log10 numbers; what ARPA files write for zero becomes −∞, nan stays."""
    return np.where(log10 <= ARPA_LOG_ZERO, -np.inf, np.maximum(log10, ARPA_LOG_ZERO) * LN10)


def _rows(section: Section, rows: np.ndarray) -> Section:
    return Section(section.ids[rows], section.log10p[rows], section.log10bow[rows], section.line[rows])
