"""The back-off model in few bits: read only, mapped from a file, queried where it lies.

The tree is that of `tree`, but of a node neither its last word nor its suffix is stored, only a small number that
gives both: its *rank*, the place of its suffix among the children of the suffix of its context (Pibiri & Venturini
2017, "context-based identifier remapping" with the longest contexts)::

    suffix[j] = begin[suffix[context of j]] + rank[j]        word[j] = word[suffix[j]]

For a bigram the rank is the word itself. This needs a tree that holds all suffixes of its n-grams; `closure` adds
what is missing. Children are counted in unary: for each node a zero for each child, then a one. Its children begin
behind as many zeros as stand before it, and where that is, a small directory tells (`_packed_kernels._select`).
Log-probabilities and back-offs are float32, or codes of a few bits; those of unigrams are always float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmix.corpus import Corpus
from lmmix.fileio import PathLike
from lmmix.ngram import _packed_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import NgramTree
from lmmix.parallel import cut, thread_map
from lmmix.vocab import BOS, EOS, Vocab

if TYPE_CHECKING:
    from lmmix.lm import LanguageModel
    from lmmix.ngram.joint import JointModels

PIECE_NODES = 1 << 18
PIECE_SENTENCES = 1 << 12


@dataclass(frozen=True)
class PackedArrays:
    """A packed tree of N orders with its numbers.

    Attributes
    ----------
    bits : (words,) uint64
        Ranks, ends of children and codes, of each order one after the other; a block of zeros behind them all, because
        reading may run over the end of what is asked for.
    index : (entries,) int32
        For each order below the highest: the number of ones before each block of 512 bits of the ends of children,
        and right behind, the block of every 512th one.
    values : (numbers,) float32
        Log-probabilities and back-offs, or what their codes mean; natural logarithms.
    layout : (N + 2, COLUMNS) int64
        Where the things of each order lie; see `_packed_kernels`. Rows 0 and N + 1 hold FIRST only.
    """

    bits: np.ndarray
    index: np.ndarray
    values: np.ndarray
    layout: np.ndarray

    def wrong(self, words: int) -> str | None:
        """What keeps these arrays from being a packed tree over so many words, if anything does.

        Looks at the layout only, so takes no time; it sees to it that kernels stay inside the arrays.
        """
        rows, level = self.layout, self.layout[:, kernels.FIRST] if self.layout.ndim == 2 else self.layout
        if rows.ndim != 2 or len(rows) < 3 or rows.shape[1] != kernels.COLUMNS or (rows < 0).any():
            return "the layout"
        if level[0] != 0 or level[1] != 1 or level[2] != 1 + words or (np.diff(level) < 0).any() or level[-1] >= 2**31:
            return "the numbers of n-grams"
        for n in range(1, len(rows) - 1):
            if not self._holds(n, rows[n], rows[n + 1 : n + 3, kernels.FIRST].tolist()):
                return f"order {n}"
        return None

    def _holds(self, order: int, row: np.ndarray, after: list[int]) -> bool:
        """Whether the arrays hold all that row `order` of the layout promises."""
        nodes = after[0] - int(row[kernels.FIRST])
        highest = len(after) == 1
        room = 64 * (len(self.bits) - kernels.BLOCK_WORDS)
        fields = [(kernels.RANKS, kernels.RANK_BITS)]
        for codes in (kernels.LOGP_CODES, kernels.BACKOFF_CODES)[: 1 if highest else 2]:
            fields.append((codes, codes + 1))
            entries = 1 << min(int(row[codes + 1]), 62) if row[codes + 1] else nodes
            if int(row[codes + 2]) + entries > len(self.values):
                return False
        if any(row[width] > 32 or int(row[at]) + nodes * int(row[width]) > room for at, width in fields):
            return False
        return highest or self._holds_ends(row, nodes, after[1] - after[0])

    def _holds_ends(self, row: np.ndarray, nodes: int, children: int) -> bool:
        words = -(-(nodes + children) // 64)
        blocks = max(1, -(-words // kernels.BLOCK_WORDS))
        samples = (nodes >> kernels.SAMPLE_SHIFT) + 2
        return (
            int(row[kernels.SAMPLES]) == int(row[kernels.BLOCKS]) + blocks
            and int(row[kernels.SAMPLES]) + samples <= len(self.index)
            and int(row[kernels.ENDS]) + words <= len(self.bits) - kernels.BLOCK_WORDS
        )


class PackedModel:
    """A `LanguageModel` over a packed tree; the state is (n, N − 1) int32, the chain of known contexts.

    Row k of a state holds the nodes of the last 1, 2, … words of history k, 0 from the first one that the tree lacks.
    In float32 the numbers are those of the exact model, rounded. Quantised distributions sum to 1 only roughly.

    Attributes
    ----------
    arrays : PackedArrays
    quantised : int or None
        Bits of a code; None: float32.
    vocab, signature
        See `lmmix.lm.LanguageModel`.
    """

    def __init__(self, arrays: PackedArrays, quantised: int | None, vocab: Vocab, signature: str) -> None:
        self.arrays = arrays
        self.quantised = quantised
        self.vocab = vocab
        self.signature = signature
        self._model = (arrays.bits, arrays.index, arrays.values, arrays.layout)

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.arrays.layout) - 2

    @property
    def level(self) -> np.ndarray:
        """(N + 2,) int64: the first node of each order, as in `NgramTree`."""
        return self.arrays.layout[:, kernels.FIRST]

    def counts(self) -> list[int]:
        """How many n-grams there are of each order, from 1."""
        return np.diff(self.level[1:]).tolist()

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus` given the words before it in its sentence."""
        return self.score_with_lengths(corpus, threads)[0]

    def hit_lengths(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) int64: words in the longest known n-gram that ends in each event."""
        return self.score_with_lengths(corpus, threads)[1]

    def score_with_lengths(self, corpus: Corpus, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(T,) ln p of each event, and (T,) int64 words in the longest known n-gram that ends in it."""
        corpus = corpus.recode(self.vocab)
        logp, lengths = np.empty(len(corpus.ids)), np.empty(len(corpus.ids), np.int64)

        def score(piece: tuple[int, int]) -> None:
            kernels._score(*self._model, corpus.ids, corpus.offsets, *piece, logp, lengths)

        thread_map(score, cut(corpus.n_sentences, PIECE_SENTENCES), threads)
        return logp, lengths

    def contexts(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T, N − 1) int32: the state before each event of `corpus`."""
        corpus = corpus.recode(self.vocab)
        chains = np.empty((len(corpus.ids), self.order - 1), np.int32)

        def walk(piece: tuple[int, int]) -> None:
            kernels._find_contexts(*self._model, corpus.ids, corpus.offsets, *piece, chains)

        thread_map(walk, cut(corpus.n_sentences, PIECE_SENTENCES), threads)
        return chains

    @property
    def longest_context(self) -> int:
        """The most words of a history that count."""
        return self.order - 1

    def context_lengths(self, state: np.ndarray) -> np.ndarray:
        """(n,) int64: words in the longest context of each chain."""
        return (state > 0).sum(axis=1)

    def context_backoffs(self, state: np.ndarray) -> np.ndarray:
        """(n,) ln of the back-off weight of each of these contexts; 0 for the empty one."""
        bits, _, values, layout = self._model
        out = np.empty(len(state))
        kernels._context_backoffs(bits, values, layout, state, self.context_lengths(state), out)
        return out

    def start(self, n: int) -> np.ndarray:
        """(n, N − 1) int32: the chain that holds `<s>` alone."""
        state = np.zeros((n, self.order - 1), np.int32)
        state[:, :1] = 1 + BOS
        return state

    def advance(self, state: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((n,) ln p of `words` after each history, (n, N − 1) chains behind them, the start behind `</s>`)."""
        logp, after = np.empty(len(state)), np.empty_like(state)
        kernels._advance(*self._model, state, np.require(words, np.int32, ["C", "W"]), logp, after)
        after[np.asarray(words) == EOS] = self.start(1)
        return logp, after

    def distribution(self, state: np.ndarray) -> np.ndarray:
        """(n, V) probability of each next event after each history."""
        out = np.empty((len(state), len(self.vocab)))
        kernels._distribution(*self._model, state, out)
        return out

    def joint_with(self, models: Sequence[LanguageModel], ids: Sequence[np.ndarray | None]) -> JointModels | None:
        """What `models`, of which this is the first, know together; see `lmmix.ngram.joint.join`."""
        from lmmix.ngram.joint import join

        return join(models, ids)

    def unigram(self) -> np.ndarray:
        """(V,) probability of each event without a context."""
        return self.distribution(np.zeros((1, self.order - 1), np.int32))[0]

    def unpacked(self, threads: int | None = None) -> BackoffModel:
        """The same model with exactly the stored numbers, in arrays that everything else can work on."""
        level = self.level.copy()
        word, suffix = np.zeros(level[-1], np.int32), np.zeros(level[-1], np.int32)
        word[1 : level[2]] = np.arange(len(self.vocab), dtype=np.int32)
        begin = np.full(level[self.order] + 1, level[-1], np.int32)
        begin[0] = 1
        logp, backoff = np.zeros(level[-1]), np.zeros(level[self.order])
        for n in range(1, self.order + 1):
            nodes = [(level[n] + lo, level[n] + hi) for lo, hi in cut(int(level[n + 1] - level[n]), PIECE_NODES)]
            self._unpack_numbers(n, kernels.LOGP_CODES, nodes, logp, threads)
            if n < self.order:
                self._unpack_numbers(n, kernels.BACKOFF_CODES, nodes, backoff, threads)
                self._unpack_children(n, nodes, (word, begin, suffix), threads)
        tree = NgramTree(level, word, begin, suffix)
        return BackoffModel(tree, logp, backoff, self.vocab, self.signature)

    def _unpack_numbers(
        self, order: int, column: int, pieces: list[tuple[int, int]], out: np.ndarray, threads: int | None
    ) -> None:
        bits, _, values, layout = self._model
        thread_map(
            lambda piece: kernels._unpack_numbers(bits, values, layout, order, column, *piece, out), pieces, threads
        )

    def _unpack_children(
        self, order: int, pieces: list[tuple[int, int]], tree: tuple[np.ndarray, ...], threads: int | None
    ) -> None:
        bits, index, _, layout = self._model
        thread_map(lambda piece: kernels._unpack_children(bits, index, layout, order, *piece, *tree), pieces, threads)

    def save(self, path: PathLike, threads: int | None = None) -> None:
        """Write the model: `.lmx` packed as it is, anything else as ARPA (compressed by suffix), atomically."""
        from lmmix.ngram.packed_file import save_packed

        if str(path).endswith(".lmx"):
            save_packed(self, path)
        else:
            self.unpacked(threads).save(path, threads)
