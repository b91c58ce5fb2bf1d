"""The back-off n-gram model: a tree of n-grams with log-probabilities and back-offs, queried by an automaton.

The kernels of the automaton are imported where they are used: whoever trains a model does not wait for them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import is_distribution
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map
from lmmix.vocab import BOS, EOS, Vocab

if TYPE_CHECKING:
    from lmmix.lm import LanguageModel
    from lmmix.ngram.joint import JointModels
    from lmmix.ngram.sentence import SentenceScorer

logger = logging.getLogger("lmmix")

LONGEST = 256
"""Events of a stretch, which one lane of a kernel walks: longer sentences are cut."""

PIECE = 2048
"""Stretches that a thread walks at a time."""

PIECE_CELLS = 1 << 16
"""Probabilities of distributions that a thread computes at a time, about."""


class BackoffModel:
    """A `LanguageModel` whose state is a node of its tree: (n,) int32, the longest known context of each history.

    p(w | h) is that of the n-gram hw if it is known, else backoff(h) · p(w | h without its first word).

    Attributes
    ----------
    tree : NgramTree
    logp : (M,) float64
        Natural log-probability of each n-gram; at node 0, which is no n-gram, it means nothing.
    backoff : (level[N],) float64
        Natural log of the back-off weight of each node below the highest order.
    vocab, signature
        See `lmmix.lm.LanguageModel`.
    parameters : sequence of dict
        What smoothing found for each order; empty in a model that was read from a file.
    """

    def __init__(
        self,
        tree: NgramTree,
        logp: np.ndarray,
        backoff: np.ndarray,
        vocab: Vocab,
        signature: str,
        parameters: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.tree = tree
        self.logp = logp
        self.backoff = backoff
        self.vocab = vocab
        self.signature = signature
        self.parameters = parameters
        self._top = int(tree.level[tree.order])
        self._start = 1 + BOS if tree.order > 1 else 0
        self._arrays = (tree.word, tree.begin, tree.suffix, logp, backoff)

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return self.tree.order

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus` given the words before it in its sentence."""
        return self._found(corpus, threads)[0]

    def score_with_lengths(self, corpus: Corpus, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(T,) ln p of each event, and (T,) int64 words in the longest known n-gram that ends in it.

        SRILM prints the length as [3gram].
        """
        logp, found = self._found(corpus, threads)
        return logp, np.searchsorted(self.tree.level, found, side="right") - 1

    def hit_lengths(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) int64: the lengths of `score_with_lengths`."""
        return self.score_with_lengths(corpus, threads)[1]

    def contexts(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) int32: the state before each event of `corpus`, the node of the longest known context."""
        found = self._found(corpus, threads)[1]
        context = np.full(len(found), self._start, np.int32)
        inside = np.ones(len(found), bool)
        inside[corpus.offsets[:-1]] = False
        after = np.flatnonzero(inside)
        context[after] = found[after - 1]
        # Nothing extends an n-gram of the highest order, so what is known behind it begins with its suffix.
        highest = np.flatnonzero(context >= self._top)
        suffix = self.tree.suffix[context[highest]]
        context[highest] = np.where((suffix >= 0) & (suffix < self._top), suffix, 0)
        return context

    @property
    def longest_context(self) -> int:
        """The most words of a history that count."""
        return self.order - 1

    def context_lengths(self, state: np.ndarray) -> np.ndarray:
        """(n,) int64: words in each context."""
        return np.searchsorted(self.tree.level, state, side="right") - 1

    def context_backoffs(self, state: np.ndarray) -> np.ndarray:
        """(n,) ln of the back-off weight of each context; 0 for the empty one."""
        return np.where(state > 0, self.backoff[state], 0.0)

    def score_sentence(self, text: str, bos: bool = True, eos: bool = True) -> float:
        """ln p of the words of `text` and of the `</s>` behind them: the sum over its events.

        Without `bos` the sentence does not begin with `<s>`: nothing is known of what stands before it. Without `eos`
        `</s>` is no event. Raises InputError for `<s>` or `</s>` in the text.
        """
        return self._sentences.score(text, bos, eos)

    def full_scores(self, text: str, bos: bool = True, eos: bool = True) -> np.ndarray:
        """(events,) of what `score_sentence` sums up: a record ``(logp, length, oov)`` for each event.

        `logp` is ln p, `length` the words in the longest known n-gram that ends in the event, `oov` says whether the
        vocabulary lacks the word. ``scores["logp"]`` is a column, ``scores.tolist()`` a list of tuples.
        """
        return self._sentences.events(text, bos, eos)

    @cached_property
    def _sentences(self) -> SentenceScorer:
        from lmmix.ngram.sentence import SentenceScorer

        return SentenceScorer(self.tree, self.logp, self.backoff, self.vocab)

    def _found(self, corpus: Corpus, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """(T,) ln p of each event, and (T,) int32 the node of the longest known n-gram that ends in it."""
        from lmmix.ngram import _query_kernels as kernels

        corpus = corpus.recode(self.vocab)
        logp, found = np.empty(len(corpus.ids)), np.empty(len(corpus.ids), np.int32)
        ids = np.require(corpus.ids, np.int32, ["C", "W"])
        stretches = self._stretches(ids, corpus.offsets)

        def walk(piece: tuple[int, int]) -> None:
            kernels._walk(*self._arrays, self._top, ids, stretches, *piece, logp, found)

        thread_map(walk, cut(len(stretches), PIECE), threads)
        return logp, found

    def _stretches(self, ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """(n, STRETCH) the sentences, cut into stretches of at most `LONGEST` events for `kernels._walk`.

        The context of a stretch inside a sentence is found by walking the order − 2 events before it.
        """
        begin, end = offsets[:-1], offsets[1:]
        pieces = (end - begin + LONGEST - 1) // LONGEST
        first = begin = np.repeat(begin, pieces)
        node = np.full(len(first), self._start)
        if len(first) > len(pieces):
            within = np.arange(len(first)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            first = begin + LONGEST * within
            end = np.minimum(first + LONGEST, np.repeat(end, pieces))
            start = np.maximum(begin, first - max(0, self.order - 2))
            if self.order > 1:
                node = np.where(start > begin, 1 + ids[start - 1], node)
            begin = start
        return np.stack([begin, first, end, node], axis=1)

    def start(self, n: int) -> np.ndarray:
        """(n,) int32: the node of `<s>`, or the empty context for a unigram model."""
        return np.full(n, self._start, np.int32)

    def advance(self, state: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((n,) ln p of `words` after each context, (n,) contexts behind them, the start behind `</s>`)."""
        logp, after = self.follow(state, words)
        after[np.asarray(words) == EOS] = self._start
        return logp, after

    def follow(self, state: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `advance`, but along n-grams, where `</s>` is a word like others: the longest known context behind it."""
        from lmmix.ngram import _query_kernels as kernels

        logp, after = np.empty(len(state)), np.empty(len(state), np.int32)
        kernels._advance(*self._arrays, self._top, state, np.require(words, np.int32, ["C", "W"]), logp, after)
        return logp, after

    def distribution(self, state: np.ndarray, threads: int | None = None) -> np.ndarray:
        """(n, V) probability of each next event after each context."""
        from lmmix.ngram import _query_kernels as kernels

        out = np.empty((len(state), len(self.vocab)))

        def fill(piece: tuple[int, int]) -> None:
            kernels._distribution(*self._arrays, self._unigram, state, *piece, out)

        pieces = cut(len(state), max(1, PIECE_CELLS // len(self.vocab)))
        thread_map(fill, pieces, threads if len(pieces) > 1 else 1)
        return out

    def joint_with(self, models: Sequence[LanguageModel], ids: Sequence[np.ndarray | None]) -> JointModels | None:
        """What `models`, of which this is the first, know together; see `lmmix.ngram.joint.join`."""
        from lmmix.ngram.joint import join

        return join(models, ids)

    def unigram(self) -> np.ndarray:
        """(V,) probability of each event without a context."""
        return self._unigram

    @cached_property
    def _unigram(self) -> np.ndarray:
        return np.exp(self.logp[1 : 1 + len(self.vocab)])

    def save(self, path: PathLike, threads: int | None = None) -> None:
        """Write the model: `.lmx` as lmmix's binary, anything else as ARPA (compressed by suffix), atomically."""
        if str(path).endswith(".lmx"):
            from lmmix.ngram.lmxfile import write_lmx

            write_lmx(self, path)
            return
        if ".lmx." in Path(path).name:
            raise SettingError(f"{path}: an .lmx file is mapped into memory and cannot be compressed")
        if self.vocab.tokenizer != "whitespace":
            logger.warning(
                "%s: ARPA files do not say that tokens are made by %r: give --tokenizer when using it, or write .lmx",
                path, self.vocab.tokenizer,
            )  # fmt: skip
        if not is_distribution(self):
            logger.warning("%s: ARPA files do not say that these are scores, not probabilities: write .lmx", path)
        from lmmix.ngram.arpa_write import write_arpa

        write_arpa(self, path, threads)
