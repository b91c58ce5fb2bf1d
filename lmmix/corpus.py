"""A text as ids: one row of events with the places where sentences begin.

Built from bytes by a kernel, in chunks, so that a text of any size or compression needs no more memory than
its ids.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lmmix import _text_kernels as kernels
from lmmix.artefact import load_artefact, save_artefact
from lmmix.errors import InputError, SettingError
from lmmix.fileio import PathLike, decode_utf8, read_line_chunks
from lmmix.progress import task
from lmmix.tokenize import tokenizer as named_tokenizer
from lmmix.vocab import SPECIALS, UNK, Vocab, table_slots


@dataclass
class Corpus:
    """Sentences as ids. A sentence of n words has n + 1 events: its words and `</s>`.

    Attributes
    ----------
    ids : (T,) int32
        The events; every sentence ends in `</s>`, `<s>` is left out.
    offsets : (S + 1,) int64
        Sentence s is ``ids[offsets[s]:offsets[s + 1]]``.
    vocab : Vocab
        What the ids mean.
    oov_at : (number of OOVs,) int64
        Places in `ids` of words that the vocabulary lacks. `<unk>` written in the text is no OOV.
    empty_lines : int
        Lines of the text without a word; they are no sentences.
    chars : int
        Characters of the text, one space or line end counted behind each word.
    """

    ids: np.ndarray
    offsets: np.ndarray
    vocab: Vocab
    oov_at: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    empty_lines: int = 0
    chars: int = 0

    @property
    def n_sentences(self) -> int:
        """Sentences S."""
        return len(self.offsets) - 1

    @property
    def n_words(self) -> int:
        """Words with OOVs, without `</s>`."""
        return len(self.ids) - self.n_sentences

    def recode(self, vocab: Vocab) -> Corpus:
        """The same text in the ids of another vocabulary; words that it lacks become `<unk>` and are OOVs."""
        if vocab == self.vocab:
            return self
        translation = self.vocab.translation(vocab)
        lost = (translation == UNK) & (np.arange(len(translation)) != UNK)
        oov_at = np.union1d(self.oov_at, np.flatnonzero(lost[self.ids])) if lost.any() else self.oov_at
        return Corpus(translation[self.ids], self.offsets, vocab, oov_at, self.empty_lines, self.chars)

    def word_counts(self) -> np.ndarray:
        """(V,) int64: how often each word occurs."""
        return np.bincount(self.ids, minlength=len(self.vocab))

    def sentence_of(self) -> np.ndarray:
        """(T,) int64: the sentence that each event belongs to."""
        return np.repeat(np.arange(self.n_sentences), np.diff(self.offsets))

    def save(self, path: PathLike) -> None:
        """Write an artefact that `Corpus.load` maps into memory."""
        meta = {"tokenizer": self.vocab.tokenizer, "empty_lines": self.empty_lines, "chars": self.chars}
        arrays = {
            "ids": self.ids,
            "offsets": self.offsets,
            "oov_at": self.oov_at,
            "pool": self.vocab.pool,
            "begin": self.vocab.begin,
        }
        save_artefact(path, "corpus", meta, arrays)

    @classmethod
    def load(cls, path: PathLike) -> Corpus:
        """Map a corpus written by `save`. Raises FormatError."""
        meta, arrays = load_artefact(path, "corpus")
        vocab = Vocab(arrays["pool"], arrays["begin"], meta["tokenizer"])
        return cls(arrays["ids"], arrays["offsets"], vocab, arrays["oov_at"], meta["empty_lines"], meta["chars"])


def read_corpus(
    paths: PathLike | Sequence[PathLike],
    vocab: Vocab | None = None,
    *,
    tokenizer: str | None = None,
    errors: str = "strict",
    replace_specials: bool = False,
) -> Corpus:
    """Read text files as one corpus.

    Parameters
    ----------
    paths : path or paths
        UTF-8 text, one sentence a line, plain or .gz, .bz2, .xz, .zst; ``-`` is standard input.
    vocab : Vocab, optional
        Words outside it become `<unk>`. Without it, the vocabulary is that of the text: ids by descending
        count, ties by first appearance.
    tokenizer : str, optional
        See `lmmix.tokenize`; by default that of `vocab`, or white space.
    errors : {"strict", "replace"}
        A byte that is not UTF-8 is an error, or becomes U+FFFD.
    replace_specials : bool
        Treat `<s>` and `</s>` inside a line as space instead of raising an error.

    Raises
    ------
    InputError
        A file that cannot be read, has bad bytes or special words (with file and line), or no sentence at all.
    """
    files = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not files:
        raise SettingError("no text to read")
    if errors not in ("strict", "replace"):
        raise SettingError(f"errors is {errors!r}; it must be 'strict' or 'replace'")
    reader = _Reader(vocab, tokenizer or (vocab.tokenizer if vocab else "whitespace"), errors, replace_specials)
    for path in files:
        reader.read(path)
    return reader.finish(", ".join(str(path) for path in files))


def corpus_from_lines(lines: Iterable[str], vocab: Vocab | None = None, tokenizer: str | None = None) -> Corpus:
    """A corpus of sentences given as strings; an empty one is a sentence of no word here, just `</s>`.

    Hypotheses of an n-best list keep their places this way. Raises InputError for `<s>` or `</s>` in a line.
    """
    reader = _Reader(vocab, tokenizer or (vocab.tokenizer if vocab else "whitespace"), "strict", False)
    reader.keep_empty_lines = True
    reader.feed("".join(" ".join(line.split("\n")) + "\n" for line in lines).encode(), "line")
    return reader.corpus()


class _Reader:
    """Feeds chunks of text to the kernel and keeps what it must remember between them."""

    def __init__(self, vocab: Vocab | None, tokenizer: str, errors: str, replace_specials: bool) -> None:
        self.grow = vocab is None
        self.vocab = vocab or Vocab.from_words([], tokenizer)
        self.tokenizer = named_tokenizer(tokenizer)
        self.errors = errors
        self.replace_specials = replace_specials
        self.keep_empty_lines = False
        self.state = np.zeros(kernels.STATE_SIZE, np.int64)
        self.state[kernels.TYPES] = len(self.vocab)
        self.state[kernels.POOL_USED] = len(self.vocab.pool)
        self.pool, self.begin, self.table = self.vocab.pool, self.vocab.begin, self.vocab.table
        self.counts = np.zeros(len(self.begin), np.int64)
        self.ids: list[np.ndarray] = []
        self.ends: list[np.ndarray] = []
        self.oov_at: list[np.ndarray] = []
        self.n_events = 0
        if self.grow:
            self._enlarge()

    def read(self, path: PathLike) -> None:
        size = os.path.getsize(path) if str(path) != "-" and os.path.exists(path) else None
        with task(f"reading {path}", size) as advance:
            line = 0
            for chunk in read_line_chunks(path):
                n_lines = chunk.count(b"\n")
                if self.errors == "replace":
                    chunk = chunk.decode("utf-8", "replace").encode()
                elif not chunk.isascii():
                    decode_utf8(chunk, path, line + 1)
                self.feed(chunk, path, line)
                line += n_lines
                advance(len(chunk))

    def feed(self, chunk: bytes, path: PathLike, first_line: int = 0) -> None:
        """Encode whole lines; `first_line` of `path` have come before."""
        data = np.frombuffer(bytearray(self.tokenizer.transform(chunk)), np.uint8)
        state = self.state
        state[[kernels.POS, kernels.N_IDS, kernels.N_SENTENCES, kernels.LINE, kernels.N_OOV]] = 0
        ids, ends = np.empty(len(data), np.int32), np.empty(len(data), np.int64)
        oov_at = np.empty(0 if self.grow else len(data), np.int64)
        while True:
            status = kernels._encode(
                data, state, self.pool, self.begin, self.table, self.counts, ids, ends, oov_at,
                self.grow, self.replace_specials, self.keep_empty_lines,
            )  # fmt: skip
            if status == kernels.DONE:
                break
            if status == kernels.SPECIAL:
                raise self._special_word(data, path, first_line)
            self._enlarge()
        self.ids.append(ids[: state[kernels.N_IDS]].copy())
        self.ends.append(ends[: state[kernels.N_SENTENCES]] + self.n_events)
        self.oov_at.append(oov_at[: state[kernels.N_OOV]] + self.n_events)
        self.n_events += int(state[kernels.N_IDS])

    def _special_word(self, data: np.ndarray, path: PathLike, first_line: int) -> InputError:
        at = int(self.state[kernels.POS])
        word = SPECIALS[2] if data[at + 1] == ord("/") else SPECIALS[1]
        return InputError(
            f"{path}:{first_line + int(self.state[kernels.LINE]) + 1}: {word} stands inside the line; sentence ends "
            "are added by lmmix itself: remove it, or treat it as space with --replace-specials"
        )

    def _enlarge(self) -> None:
        """Double table and pool; what is there keeps its ids."""
        types = int(self.state[kernels.TYPES])
        pool = np.empty(max(1 << 20, 2 * len(self.pool)), np.uint8)
        pool[: self.state[kernels.POOL_USED]] = self.pool[: self.state[kernels.POOL_USED]]
        slots = max(1 << 16, 2 * table_slots(types))
        begin, counts = np.empty(slots + 1, np.int64), np.zeros(slots, np.int64)
        begin[: types + 1] = self.begin[: types + 1]
        counts[:types] = self.counts[:types]
        self.pool, self.begin, self.counts = pool, begin, counts
        self.table = np.full(slots, -1, np.int32)
        kernels._fill_table(self.pool, self.begin, types, self.table)

    def finish(self, source: str) -> Corpus:
        """The corpus read; raises InputError if it has no sentence."""
        empty = int(self.state[kernels.EMPTY_LINES])
        if not self.n_events:
            why = f"only empty lines ({empty})" if empty else "the file is empty"
            raise InputError(f"{source}: no sentence to read: {why}")
        return self.corpus()

    def corpus(self) -> Corpus:
        ids = np.concatenate(self.ids)
        offsets = np.concatenate([np.zeros(1, np.int64), *self.ends])
        vocab = self.vocab
        if self.grow:
            vocab, new_ids = self._ranked_vocab()
            ids = new_ids[ids]
        oov_at = np.concatenate(self.oov_at)
        chars = int(self.state[kernels.CHARS])
        return Corpus(ids, offsets, vocab, oov_at, int(self.state[kernels.EMPTY_LINES]), chars)

    def _ranked_vocab(self) -> tuple[Vocab, np.ndarray]:
        """The vocabulary by descending count, ties by first appearance, and the new id of each old one."""
        types, first = int(self.state[kernels.TYPES]), len(SPECIALS)
        order = np.arange(types)
        order[first:] = first + np.argsort(-self.counts[first:types], kind="stable")
        new_ids = np.empty(types, np.int32)
        new_ids[order] = np.arange(types, dtype=np.int32)
        lengths = np.diff(self.begin[: types + 1])[order]
        begin = np.zeros(types + 1, np.int64)
        np.cumsum(lengths, out=begin[1:])
        source = np.repeat(self.begin[:types][order] - begin[:-1], lengths) + np.arange(begin[-1])
        return Vocab(self.pool[source], begin, self.tokenizer.name), new_ids


def limited_vocab(corpus: Corpus, min_count: int = 1, size: int | None = None) -> Vocab:
    """The words of `corpus` that occur at least `min_count` times, at most `size` of them, the most frequent first.

    The three special words are always there and do not count towards `size`. Raises SettingError.
    """
    if min_count < 1:
        raise SettingError(f"min_count is {min_count}; it must be 1 or more")
    if size is not None and size < 1:
        raise SettingError(f"size is {size}; it must be 1 or more")
    counts = corpus.word_counts()
    first = len(SPECIALS)
    order = first + np.argsort(-counts[first:], kind="stable")
    order = order[counts[order] >= min_count][:size]
    words = corpus.vocab.words
    return Vocab.from_words([words[i] for i in order], corpus.vocab.tokenizer)
