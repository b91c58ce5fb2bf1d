"""Building an `NgramTree` from n-grams that come order by order, in any sequence, as in an ARPA file."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from lmmix import __version__
from lmmix.errors import FormatError
from lmmix.logmath import ARPA_LOG_ZERO, LN10
from lmmix.ngram import _build_kernels as kernels
from lmmix.ngram import _query_kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree, ids_of
from lmmix.parallel import cut, thread_map
from lmmix.vocab import BOS, Vocab

logger = logging.getLogger("lmmix")

PIECE_NODES = 1 << 18
"""Nodes that a thread works on at a time."""


@dataclass
class Section:
    """The lines of one order: words as ids (rows, n), log10 numbers (rows,), lines in the file (rows,)."""

    ids: np.ndarray
    log10p: np.ndarray
    log10bow: np.ndarray
    line: np.ndarray


@dataclass
class Rows:
    """Some lines of one order (rows,): node of the context or -1, last word, log10 numbers, line.

    There are no back-offs in the highest order.
    """

    context: np.ndarray
    word: np.ndarray
    log10p: np.ndarray
    log10bow: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        return len(self.word)

    def selected(self, keep: np.ndarray) -> Rows:
        """Those where `keep` is True."""
        log10bow = self.log10bow[keep] if len(self.log10bow) else self.log10bow
        return Rows(self.context[keep], self.word[keep], self.log10p[keep], log10bow, self.line[keep])


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
    """Builds the tree and its numbers order by order.

    While an order is added, `level`, `word`, `begin` (with the end of the last children) and `suffix` are those of the
    tree so far; `line` are the lines of the n-grams of the last order, 0 for special words that the file lacks.
    """

    def __init__(
        self, vocab: Vocab, order: int, unigrams: Section, problems: Problems, threads: int | None = None
    ) -> None:
        self.vocab = vocab
        self.problems = problems
        self.order = order
        self.threads = threads
        size = len(vocab)
        self.level = np.zeros(order + 2, np.int64)
        self.level[1], self.level[2:] = 1, 1 + size
        self.word = np.concatenate([np.zeros(1, np.int32), np.arange(size, dtype=np.int32)])
        self.begin = np.array([1, 1 + size], np.int32)
        self.suffix = np.zeros(1 + size, np.int32)
        self.line = np.zeros(size, np.int32)
        self.logp = np.full(1 + size, -np.inf)
        self.backoff = np.full(1 + size, np.nan)
        nodes = 1 + unigrams.ids[:, 0]
        self._check_logp(unigrams.log10p, unigrams.line)
        self._check_backoff(unigrams.log10bow, unigrams.line)
        self.logp[nodes], self.backoff[nodes] = unigrams.log10p, unigrams.log10bow
        self.line[nodes - 1] = unigrams.line

    def rows(self, section: Section) -> Rows:
        """Lines of the next order with their contexts; several threads may ask at a time."""
        context = np.empty(len(section.ids), np.int32)
        _query_kernels._find_contexts(section.ids, self.word, self.begin, context)
        log10bow = section.log10bow if section.ids.shape[1] < self.order else np.zeros(0)
        return Rows(context, section.ids[:, -1].copy(), section.log10p, log10bow, section.line)

    def add(self, parts: list[Rows], order: int) -> None:
        """Add the n-grams of the next order, all lines in the sequence of the file; empties the list."""
        self._check_found(parts)
        line = self._sort(order, self._place(parts, order))
        self._link_suffixes(order)
        self._check_contexts(order, line)
        self.line = line
        first = int(self.level[order])
        self._check_logp(self.logp[first:], line)
        if order < self.order:
            self._check_backoff(self.backoff[first:], line)

    def _check_found(self, parts: list[Rows]) -> None:
        lost = [rows.context < 0 for rows in parts]
        times = sum(int(bad.sum()) for bad in lost)
        if not times:
            return
        line = next(int(rows.line[bad.argmax()]) for rows, bad in zip(parts, lost) if bad.any())
        what = "the n-gram is there, but not its context (all words but the last)"
        self.problems.found(f":{line}", what, "n-grams without context left out", times)
        parts[:] = [rows.selected(~bad) for rows, bad in zip(parts, lost)]

    def _place(self, parts: list[Rows], order: int) -> np.ndarray:
        """Put lines behind one another by context, those of one context as they come; returns the line of each."""
        first, above = int(self.level[order]), int(self.level[order - 1])
        rows = sum(len(part) for part in parts)
        children = np.zeros(first - above, np.int32)
        for part in parts:
            kernels._count_children(part.context, above, children)
        place = np.cumsum(children, dtype=np.int32)
        place += np.int32(first)
        self.level[order + 1 :] = first + rows
        _resize(self.begin, first + 1)
        self.begin[above + 1 :] = place
        place -= children
        del children
        for array in self._numbered(order):
            _resize(array, first + rows)
        line = np.empty(rows, np.int32)
        while parts:
            part = parts.pop(0)
            kernels._place(
                part.context, part.word, part.log10p, part.log10bow, part.line, above, first, place,
                self.word, self.logp, self.backoff, line,
            )  # fmt: skip
        return line

    def _sort(self, order: int, line: np.ndarray) -> np.ndarray:
        """Sort the n-grams of each context by their last word, and see that each is there once; their lines."""
        first, above = int(self.level[order]), int(self.level[order - 1])
        if kernels._is_sorted(self.word, self.begin, above, first):
            return line
        context = np.repeat(np.arange(above, first), np.diff(self.begin[above:]))
        key = (context << 32) | self.word[first:]
        rows = np.argsort(key, kind="stable")
        twice = np.append(False, key[rows[1:]] == key[rows[:-1]])
        if twice.any():
            cure = "repeated n-grams left out"
            self.problems.found(f":{line[rows[twice.argmax()]]}", "the n-gram is there twice", cure, int(twice.sum()))
            rows = rows[~twice]
            children = np.bincount(context[rows] - above, minlength=first - above)
            self.begin[above + 1 :] = first + np.cumsum(children)
            self.level[order + 1 :] = first + len(rows)
        for array in self._numbered(order):
            array[first : first + len(rows)] = array[first:][rows]
            _resize(array, first + len(rows))
        return line[rows]

    def _numbered(self, order: int) -> list[np.ndarray]:
        """The arrays that have an element for each n-gram of an order."""
        return [self.word, self.suffix, self.logp, *([self.backoff] if order < self.order else [])]

    def _link_suffixes(self, order: int) -> None:
        first = int(self.level[order])

        def link(piece: tuple[int, int]) -> None:
            lo, hi = first + piece[0], first + piece[1]
            low, high = (int(np.searchsorted(self.begin, np.int32(node), "right")) for node in (lo, hi - 1))
            ends = np.clip(self.begin[low - 1 : high + 1], lo, hi)
            parent = np.repeat(np.arange(low - 1, high), np.diff(ends))
            _query_kernels._link_suffixes(self.word, self.begin, self.suffix, parent, lo, np.empty(hi - lo, np.int32))

        thread_map(link, cut(len(self.word) - first, PIECE_NODES), self.threads)

    def _check_contexts(self, order: int, line: np.ndarray) -> None:
        """Contexts of longer n-grams must have a back-off, but for an `<s>` that is no unigram of the file."""
        first, above = int(self.level[order]), int(self.level[order - 1])
        bad = np.isnan(self.backoff[above:first]) & (self.begin[above:first] < self.begin[above + 1 :])
        if order == 2 and not self.line[BOS]:
            bad[BOS] = False
        if bad.any():
            node = above + int(bad.argmax())
            # A special word that the file lacks has no line, but the n-gram behind it has.
            number = self.line[node - above] or line[self.begin[node] - first]
            what = f"{self._shown(node)} is the context of longer n-grams, but has no back-off"
            self.problems.found(f":{number}", what, "missing back-offs read as 0", int(bad.sum()))

    def _shown(self, node: int) -> str:
        """A node as text: its word with that of its contexts before it."""
        return repr(" ".join(self.vocab.words[i] for i in ids_of(self.word, self.begin, node)))

    def _check_logp(self, values: np.ndarray, line: np.ndarray) -> None:
        """Make natural logs of log10 numbers that must be log-probabilities."""
        bad = np.isnan(values)
        if bad.any():
            self._complain(line, bad, "the log-probability is nan", "nan read as probability 0")
            values[bad] = -np.inf
        bad = values > 0
        if bad.any():
            what = f"the log-probability {values[bad.argmax()]:g} is positive"
            self._complain(line, bad, what, "positive log-probabilities read as 0")
            values[bad] = 0.0
        _make_natural(values)

    def _check_backoff(self, values: np.ndarray, line: np.ndarray) -> None:
        """Make natural logs of log10 back-offs; nan where there is none."""
        bad = values > -ARPA_LOG_ZERO
        if bad.any():
            self._complain(line, bad, "the back-off is nan, infinite or above 99", "bad back-offs read as 0")
            values[bad] = 0.0
        _make_natural(values)

    def _complain(self, line: np.ndarray, bad: np.ndarray, what: str, cure: str) -> None:
        self.problems.found(f":{line[bad.argmax()]}", what, cure, int(bad.sum()))

    def finish(self, name: str) -> BackoffModel:
        """The model; `name` is that of the file, for the signature."""
        tree = NgramTree(self.level, self.word, self.begin, self.suffix)
        self.logp[1:][self.word[1:] == BOS] = -np.inf
        self.backoff[np.isnan(self.backoff)] = 0.0
        _resize(self.backoff, int(self.level[self.order]))
        signature = (
            f"arpa:{name}|order:{self.order}|tokens:{self.vocab.tokenizer}|vocab:{self.vocab.fingerprint}"
            f"|eos:yes|lmmix:{__version__}"
        )
        return BackoffModel(tree, self.logp, self.backoff, self.vocab, signature)


def _make_natural(values: np.ndarray) -> None:
    """Natural logs of checked log10 numbers, in place; what ARPA files write for zero becomes −∞, nan stays."""
    zero = values <= ARPA_LOG_ZERO
    np.maximum(values, ARPA_LOG_ZERO, out=values)
    values *= LN10
    values[zero] = -np.inf


def _resize(array: np.ndarray, size: int) -> None:
    """Change the length of an array of which there are no views; large ones need not be copied for that."""
    array.resize(size, refcheck=False)
