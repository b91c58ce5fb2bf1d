"""The back-off n-gram model: a tree of n-grams with log-probabilities and back-offs, queried by an automaton."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import SettingError
from lmmix.fileio import PathLike
from lmmix.lm import is_distribution
from lmmix.ngram import _query_kernels as kernels
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map
from lmmix.vocab import BOS, Vocab

logger = logging.getLogger("lmmix")

PIECE_SENTENCES = 1 << 12


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
        self._arrays = (tree.word, tree.begin, tree.suffix, logp, backoff)

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return self.tree.order

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus` given the words before it in its sentence."""
        return self._score(corpus.recode(self.vocab), threads)[0]

    def hit_lengths(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) int64: words in the longest known n-gram that ends in each event (SRILM's [3gram])."""
        found = self._score(corpus.recode(self.vocab), threads)[1]
        return np.searchsorted(self.tree.level, found, side="right") - 1

    def _score(self, corpus: Corpus, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        logp, found = np.empty(len(corpus.ids)), np.empty(len(corpus.ids), np.int32)

        def score(piece: tuple[int, int]) -> None:
            kernels._score(*self._arrays, self._top, corpus.ids, corpus.offsets, *piece, logp, found)

        thread_map(score, cut(corpus.n_sentences, PIECE_SENTENCES), threads)
        return logp, found

    def start(self, n: int) -> np.ndarray:
        """(n,) int32: the node of `<s>`, or the empty context for a unigram model."""
        return np.full(n, 1 + BOS if self.order > 1 else 0, np.int32)

    def advance(self, state: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((n,) ln p of `words` after each context, (n,) contexts behind them)."""
        logp, after = np.empty(len(state)), np.empty(len(state), np.int32)
        kernels._advance(*self._arrays, self._top, state, np.require(words, np.int32, ["C", "W"]), logp, after)
        return logp, after

    def distribution(self, state: np.ndarray) -> np.ndarray:
        """(n, V) probability of each next event after each context."""
        out = np.empty((len(state), len(self.vocab)))
        kernels._distribution(*self._arrays, self.order, state, out)
        return out

    def save(self, path: PathLike, threads: int | None = None) -> None:
        """Write the model: `.lmx` as lmmix's binary, anything else as ARPA (compressed by suffix), atomically."""
        from lmmix.ngram.arpa_write import write_arpa
        from lmmix.ngram.lmxfile import write_lmx

        if str(path).endswith(".lmx"):
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
        write_arpa(self, path, threads)
