"""∞-gram models: the longest context that the training text knows, however long, and what stood behind it there.

Liu et al. (2024), "Infini-gram: scaling unbounded n-gram language models to a trillion tokens".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lmmix import __version__
from lmmix.corpus import Corpus
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike
from lmmix.parallel import cut, thread_map
from lmmix.vocab import EOS, Vocab

PIECE_SENTENCES = 1 << 12


class InfinigramModel:
    """A `LanguageModel` over a training text: p(w | h) = count(h* w) / count(h*).

    h* is the longest suffix of the history that stands in the training text, within a sentence; `<s>` is the first word
    of a history. It may be empty: the probabilities are then the relative frequencies of all events. Words that never
    stood behind h* have probability 0: this is a member for mixtures.

    The state is (n, 3) int64, the *matches*: where h* ends in the text is `places[low:high]`, and its length in words.

    Attributes
    ----------
    ids : (T,) int32
        The events of the training text.
    places : (T,) int32
        Their places, sorted by the words that end there; see `suffix_array.backward_order`.
    begin : (V + 1,) int64
        ``places[begin[w]:begin[w + 1]]`` are the places of word w.
    min_count : int
        Contexts that stand in the text less often count as unknown.
    vocab, signature
        See `lmmix.lm.LanguageModel`.
    """

    def __init__(
        self, ids: np.ndarray, places: np.ndarray, begin: np.ndarray, vocab: Vocab, min_count: int = 1
    ) -> None:
        from lmmix.adaptive import _infinigram_kernels as kernels

        if min_count < 1:
            raise SettingError(f"min_count is {min_count}; it must be 1 or more")
        self._kernels = kernels
        self.ids, self.places, self.begin, self.vocab, self.min_count = ids, places, begin, vocab, min_count
        self.signature = (
            f"infinigram|events:{len(ids)}|min-count:{min_count}|longest:{kernels.LONGEST}|"
            f"tokens:{vocab.tokenizer}|vocab:{vocab.fingerprint}|eos:yes|lmmix:{__version__}"
        )
        self._text = (ids, places, begin)
        low, high = np.clip(begin[EOS : EOS + 2], 0, len(ids)).tolist()
        # Where `<s>` stands, or anything at all.
        self._start = np.array([low, high, 1] if high - low >= min_count else [0, len(ids), 0], np.int64)

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event of `corpus`; −inf where it never stood behind its context."""
        logp = np.empty(len(corpus.ids))

        def score(place: slice, counts: np.ndarray, matches: np.ndarray) -> None:
            logp[place] = _log_ratio(counts, matches)

        self._look_up(corpus, threads, score)
        return logp

    def contexts(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T, 3) the state before each event."""
        states = np.empty((len(corpus.ids), 3), np.int64)

        def keep(place: slice, _: np.ndarray, matches: np.ndarray) -> None:
            states[place] = matches

        self._look_up(corpus, threads, keep)
        return states

    def _look_up(
        self, corpus: Corpus, threads: int | None, use: Callable[[slice, np.ndarray, np.ndarray], None]
    ) -> None:
        """Call `use` with the events of some sentences, their counts behind their contexts, and these as matches."""
        corpus = corpus.recode(self.vocab)
        ids = np.require(corpus.ids, np.int32, ["C", "W"])

        def walk(piece: tuple[int, int]) -> None:
            offsets = corpus.offsets[piece[0] : piece[1] + 1]
            place = slice(int(offsets[0]), int(offsets[-1]))
            events = ids[place]
            counts, matches = np.empty(len(events), np.int64), np.empty((len(events), 3), np.int64)
            self._kernels._walk(*self._text, self._start, events, offsets - offsets[0], self.min_count, counts, matches)
            use(place, counts, matches)

        thread_map(walk, cut(corpus.n_sentences, PIECE_SENTENCES), threads)

    def start(self, n: int) -> np.ndarray:
        """(n, 3) int64: the match of `<s>`."""
        return np.tile(self._start, (n, 1))

    def advance(self, state: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((n,) ln p of `words` after each history, (n, 3) the matches behind them, that of `<s>` behind `</s>`)."""
        counts, after = np.empty(len(state), np.int64), np.empty_like(state)
        words = np.require(words, np.int32, ["C", "W"])
        self._kernels._advance(*self._text, state, words, self.min_count, counts, after)
        after[words == EOS] = self._start
        return _log_ratio(counts, state), after

    def distribution(self, state: np.ndarray) -> np.ndarray:
        """(n, V) probability of each next event after each history; takes time in how often the contexts stand."""
        out = np.zeros((len(state), len(self.vocab)))
        self._kernels._count_next(*self._text[:2], state, out)
        return out / np.maximum(self.context_counts(state), 1)[:, None]

    def context_lengths(self, state: np.ndarray) -> np.ndarray:
        """(n,) int64: the words of h*, `<s>` counted as one."""
        return state[:, 2]

    def context_counts(self, state: np.ndarray) -> np.ndarray:
        """(n,) int64: how often h* stands in the training text, which for the empty one is its number of events."""
        return state[:, 1] - state[:, 0]

    def save(self, path: PathLike) -> None:
        """Write the model as an `.lmi` file, atomically. Raises InputError."""
        from lmmix.adaptive.infinigram_file import write_lmi

        write_lmi(self, path)


def _log_ratio(counts: np.ndarray, matches: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(counts / np.maximum(matches[:, 1] - matches[:, 0], 1))


def train_infinigram(corpus: Corpus, min_count: int = 1) -> InfinigramModel:
    """The ∞-gram model of a training text, which is kept as a whole.

    Raises SettingError for a `min_count` below 1, InputError for a text of no sentence or of more than 2^31 − 1 events.
    """
    from lmmix.adaptive.suffix_array import backward_order

    if not len(corpus.ids):
        raise InputError("the training text has no sentence")
    places = backward_order(corpus.ids, corpus.offsets, len(corpus.vocab))
    begin = np.concatenate([[0], np.cumsum(corpus.word_counts())])
    ids = np.require(corpus.ids, np.int32, ["C", "W"])
    return InfinigramModel(ids, places, begin, corpus.vocab, min_count)
