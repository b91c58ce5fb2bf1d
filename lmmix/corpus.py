"""A text as ids: one row of events with the places where sentences begin.

Built from bytes by a kernel, in chunks, so that a text of any size or compression needs no more memory than
its ids.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lmmix.artefact import check_fields, load_artefact, save_artefact
from lmmix.encode import Encoder
from lmmix.errors import InputError, SettingError
from lmmix.fileio import COMPRESSED, PathLike, read_line_chunks
from lmmix.parallel import cut, thread_map
from lmmix.progress import task
from lmmix.scratch import IN_MEMORY, Scratch
from lmmix.vocab import SPECIALS, UNK, Vocab

PIECE_IDS = 1 << 20
"""Ids that are recoded at a time."""

_META = {"tokenizer": str, "empty_lines": int, "chars": int}
_ARRAYS = {"ids": "i4", "offsets": "i8", "oov_at": "i8", "pool": "u1", "begin": "i8"}


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
        oov_at = np.flatnonzero(lost[self.ids]) if lost.any() else self.oov_at[:0]
        # The union sorts; most texts come from a vocabulary of their own, which lacks none of their words.
        oov_at = np.union1d(self.oov_at, oov_at) if len(self.oov_at) else oov_at
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
        check_fields(path, meta, arrays, _META, _ARRAYS)
        vocab = Vocab(arrays["pool"], arrays["begin"], meta["tokenizer"])
        return cls(arrays["ids"], arrays["offsets"], vocab, arrays["oov_at"], meta["empty_lines"], meta["chars"])


def read_corpus(
    paths: PathLike | Sequence[PathLike],
    vocab: Vocab | None = None,
    *,
    tokenizer: str | None = None,
    errors: str = "strict",
    replace_specials: bool = False,
    threads: int | None = None,
    scratch: Scratch = IN_MEMORY,
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
    threads : int, optional
        Default: all cores. The result does not depend on it.
    scratch : Scratch, optional
        Where the ids lie; default: in memory.

    Raises
    ------
    InputError
        A file that cannot be read, has bad bytes or special words (with file and line), or no sentence at all.
    """
    files = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not files:
        raise SettingError("no text to read")
    encoder = Encoder(vocab, tokenizer, errors, replace_specials, scratch=scratch)
    for path in files:
        # How long a compressed text is shows only at its end.
        known = os.path.isfile(path) and not str(path).endswith(COMPRESSED)
        size = os.path.getsize(path) if known else None
        with task(f"reading {path}", size) as advance:
            for chunk_bytes in encoder.encode(path, read_line_chunks(path), threads):
                advance(chunk_bytes)
    corpus = joined(encoder, threads)
    if not len(corpus.ids):
        why = f"only empty lines ({corpus.empty_lines})" if corpus.empty_lines else "the file is empty"
        raise InputError(f"{', '.join(map(str, files))}: no sentence to read: {why}")
    return corpus


def corpus_from_lines(lines: Iterable[str], vocab: Vocab | None = None, tokenizer: str | None = None) -> Corpus:
    """A corpus of sentences given as strings; an empty one is a sentence of no word here, just `</s>`.

    Hypotheses of an n-best list keep their places this way. Raises InputError for `<s>` or `</s>` in a line.
    """
    encoder = Encoder(vocab, tokenizer, keep_empty_lines=True)
    text = "".join(" ".join(line.split("\n")) + "\n" for line in lines).encode()
    for _ in encoder.encode("line", [text], threads=1):
        pass
    return joined(encoder, 1)


def joined(encoder: Encoder, threads: int | None = None) -> Corpus:
    """The corpus of all that was encoded."""
    ids, offsets, oov_at = encoder.joined()
    vocab = encoder.vocab
    if vocab is None:
        pieces = [ids[lo:hi] for lo, hi in cut(len(ids), PIECE_IDS)]
        types = encoder.words.types
        counts = sum((np.bincount(piece, minlength=types) for piece in pieces), np.zeros(types, np.int64))
        vocab, new_ids = encoder.words.ranked(counts)
        thread_map(lambda piece: np.take(new_ids, piece, out=piece, mode="clip"), pieces, threads)
    return Corpus(ids, offsets, vocab, oov_at, encoder.empty_lines, encoder.chars)


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
    if not len(order):
        raise SettingError(f"no word occurs {min_count} times or more; lower min_count")
    words = corpus.vocab.words
    return Vocab.from_words([words[i] for i in order], corpus.vocab.tokenizer)
