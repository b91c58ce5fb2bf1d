"""KenLM binaries as language models, through the optional `kenlm` module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lmmix.corpus import Corpus
from lmmix.errors import FormatError, MissingDependencyError
from lmmix.fileio import PathLike, explain_errors
from lmmix.logmath import LN10
from lmmix.vocab import BOS, EOS, Vocab


class KenlmModel:
    """A `LanguageModel` over a KenLM binary or ARPA file; the state is a list of n `kenlm.State`.

    Numbers are those of KenLM: float32, log10 turned into natural logs. `distribution` asks for one word at a
    time, which is slow for large vocabularies: lmmix reads ARPA files itself.
    """

    def __init__(self, path: PathLike) -> None:
        try:
            import kenlm
        except ImportError:
            raise MissingDependencyError("kenlm", "a KenLM binary", "kenlm") from None
        self._kenlm = kenlm
        config = kenlm.Config()
        config.show_progress = False
        self.vocab = _read_vocab(path)
        try:
            self._model = kenlm.Model(str(path), config)
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise FormatError(f"{path}: KenLM cannot read it: {reason}") from None
        self.signature = (
            f"kenlm:{Path(path).name}|order:{self._model.order}|tokens:{self.vocab.tokenizer}"
            f"|vocab:{self.vocab.fingerprint}|eos:yes|dtype:float32"
        )

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p of each event, always on one thread."""
        corpus = corpus.recode(self.vocab)
        words = self.vocab.words
        out: list[float] = []
        for lo, hi in zip(corpus.offsets[:-1], corpus.offsets[1:]):
            sentence = " ".join(words[i] for i in corpus.ids[lo : hi - 1])
            out += [log10p for log10p, _, _ in self._model.full_scores(sentence)]
        return np.array(out) * LN10

    def start(self, n: int) -> list[Any]:
        """n states behind `<s>`."""
        states = [self._kenlm.State() for _ in range(n)]
        for state in states:
            self._model.BeginSentenceWrite(state)
        return states

    def advance(self, state: list[Any], words: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """((n,) ln p of `words`, the n states behind them, which begin a sentence behind `</s>`)."""
        after = [self._kenlm.State() for _ in state]
        log10p = [
            self._model.BaseScore(before, self.vocab.words[word], behind)
            for before, word, behind in zip(state, words, after)
        ]
        for i in np.flatnonzero(np.asarray(words) == EOS):
            self._model.BeginSentenceWrite(after[i])
        return np.array(log10p) * LN10, after

    def distribution(self, state: list[Any]) -> np.ndarray:
        """(n, V) probabilities, one query for each word."""
        scratch = self._kenlm.State()
        score = self._model.BaseScore
        out = np.array([[score(one, word, scratch) for word in self.vocab.words] for one in state])
        out = np.exp(out * LN10)
        out[:, BOS] = 0.0
        return out

    def take(self, state: list[Any], rows: np.ndarray) -> list[Any]:
        """The states of some histories, `rows` (m,), each any number of times; no state is ever changed."""
        return [state[row] for row in rows]

    def unigram(self) -> np.ndarray:
        """(V,) probability of each event without a context."""
        state = self._kenlm.State()
        self._model.NullContextWrite(state)
        return self.distribution([state])[0]


def _read_vocab(path: PathLike) -> Vocab:
    """The words at the end of a KenLM binary, each followed by a zero byte, `<unk>` first."""
    with explain_errors(path, "read"):
        content = np.memmap(path, np.uint8, "r")
    tail_bytes = 1 << 20
    while True:
        tail = content[-tail_bytes:].tobytes()
        start = tail.rfind(b"<unk>\0")
        if start >= 0:
            break
        if tail_bytes >= len(content):
            raise FormatError(f"{path}: this KenLM binary holds no words; build it again with its vocabulary")
        tail_bytes *= 2
    words = tail[start:].rstrip(b"\0").split(b"\0")
    return Vocab.from_words(word.decode("utf-8", "replace") for word in words)
