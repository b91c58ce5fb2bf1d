"""From lines of text to ids: chunks are encoded on several threads and joined in their order.

Without a given vocabulary every chunk has one of its own, in order of first appearance; joining the chunks one
after the other gives all words in order of first appearance, whatever thread was first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lmmix import _text_kernels as kernels
from lmmix.errors import EventSpaceError, InputError, SettingError
from lmmix.fileio import PathLike, decode_utf8
from lmmix.parallel import thread_imap
from lmmix.scratch import IN_MEMORY, Scratch
from lmmix.tokenize import same_tokens
from lmmix.tokenize import tokenizer as named_tokenizer
from lmmix.vocab import SPACE, SPECIALS, Vocab, table_slots


class WordTable:
    """Words as they are found: a pool of bytes with a hash table, which grow."""

    def __init__(self, vocab: Vocab) -> None:
        self.tokenizer = vocab.tokenizer
        self.pool, self.begin, self.table = vocab.pool, vocab.begin, vocab.table
        self.state = np.zeros(kernels.STATE_SIZE, np.int64)
        self.state[kernels.TYPES] = len(vocab)
        self.state[kernels.POOL_USED] = len(vocab.pool)

    @property
    def types(self) -> int:
        """Different words, the three special ones included."""
        return int(self.state[kernels.TYPES])

    def enlarge(self) -> None:
        """Make room for twice as many words; those that are there keep their ids."""
        types, used = self.types, int(self.state[kernels.POOL_USED])
        pool = np.empty(max(1 << 20, 2 * len(self.pool)), np.uint8)
        pool[:used] = self.pool[:used]
        slots = max(1 << 16, 2 * table_slots(types))
        begin = np.empty(slots + 1, np.int64)
        begin[: types + 1] = self.begin[: types + 1]
        self.pool, self.begin, self.table = pool, begin, np.full(slots, -1, np.int32)
        kernels._fill_table(self.pool, self.begin, types, self.table)

    def add_all(self, other: WordTable) -> np.ndarray:
        """Add the words of another table; (words there,) int32 their ids here."""
        return self.add_words(other.pool, other.begin[: other.types], other.begin[1 : other.types + 1])

    def add_words(self, data: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """Add the words ``data[lo[i]:hi[i]]``, any of them any number of times; (len(lo),) int32 their ids here."""
        ids = np.empty(len(lo), np.int32)
        done = 0
        while done < len(lo):
            done = kernels._add_words(data, lo, hi, done, self.state, self.pool, self.begin, self.table, ids)
            if done < len(lo):
                self.enlarge()
        return ids

    def in_order(self) -> Vocab:
        """The words as a vocabulary, with the ids that they have here."""
        types = self.types
        return Vocab(self.pool[: self.state[kernels.POOL_USED]], self.begin[: types + 1], self.tokenizer)

    def ranked(self, counts: np.ndarray) -> tuple[Vocab, np.ndarray]:
        """The words by descending count, ties by first appearance, and the new id of each old one.

        `counts` is (types,); the special words keep their ids.
        """
        types, first = self.types, len(SPECIALS)
        order = np.arange(types)
        order[first:] = first + np.argsort(-counts[first:types], kind="stable")
        new_ids = np.empty(types, np.int32)
        new_ids[order] = np.arange(types, dtype=np.int32)
        lengths = np.diff(self.begin[: types + 1])[order]
        begin = np.zeros(types + 1, np.int64)
        np.cumsum(lengths, out=begin[1:])
        source = np.repeat(self.begin[:types][order] - begin[:-1], lengths) + np.arange(begin[-1])
        return Vocab(self.pool[source], begin, self.tokenizer), new_ids


@dataclass
class _Chunk:
    """What one chunk of lines became: ids, ends of sentences and places of OOVs among them, words if it has its own."""

    ids: np.ndarray
    ends: np.ndarray
    oov_at: np.ndarray
    words: WordTable
    text_bytes: int
    chars: int


class Encoder:
    """Encodes chunks of lines with a given vocabulary, or collects one; the tokeniser is by default that of `vocab`.

    Attributes
    ----------
    vocab : Vocab or None
        The given vocabulary.
    words : WordTable
        The words found so far, where none is given.
    empty_lines, chars : int
        See `lmmix.corpus.Corpus`.
    """

    def __init__(
        self,
        vocab: Vocab | None,
        tokenizer: str | None = None,
        errors: str = "strict",
        replace_specials: bool = False,
        keep_empty_lines: bool = False,
        scratch: Scratch = IN_MEMORY,
    ) -> None:
        if errors not in ("strict", "replace"):
            raise SettingError(f"errors is {errors!r}; it must be 'strict' or 'replace'")
        self.vocab = vocab
        if vocab is not None and tokenizer is not None and not same_tokens(vocab.tokenizer, tokenizer):
            raise EventSpaceError(
                f"the words of the vocabulary are made by {vocab.tokenizer!r}; a text cannot be read with {tokenizer!r}"
            )
        self.tokenizer = named_tokenizer(tokenizer or (vocab.tokenizer if vocab else "whitespace"))
        self.words = WordTable(Vocab.from_words([], self.tokenizer.name))
        self.errors, self.replace_specials, self.keep_empty_lines = errors, replace_specials, keep_empty_lines
        self.empty_lines = self.chars = 0
        self._ids = scratch.growing(np.int32)
        self._ends: list[np.ndarray] = [np.zeros(1, np.int64)]
        self._oov_at: list[np.ndarray] = [np.zeros(0, np.int64)]
        self._events = 0

    def encode(self, source: PathLike, chunks: Iterable[bytes], threads: int | None) -> Iterator[int]:
        """Encode chunks of whole lines from `source`; yields the bytes of each when it is done.

        Raises InputError with the line of a bad byte or a special word.
        """

        def numbered() -> Iterator[tuple[bytes, int]]:
            line = 0
            for chunk in chunks:
                yield chunk, line
                line += chunk.count(b"\n")

        for chunk in thread_imap(lambda item: self._encoded(source, *item), numbered(), threads):
            self._join(chunk)
            yield chunk.text_bytes

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All ids, offsets of sentences, and places of OOVs."""
        return self._ids.stored(), np.concatenate(self._ends), np.concatenate(self._oov_at)

    def _encoded(self, source: PathLike, chunk: bytes, first_line: int) -> _Chunk:
        text_bytes = len(chunk)
        if self.errors == "replace":
            chunk = chunk.decode("utf-8", "replace").encode()
        elif not chunk.isascii():
            decode_utf8(chunk, source, first_line + 1)
        data = np.frombuffer(bytearray(self.tokenizer.transform(chunk)), np.uint8)
        words = WordTable(self.vocab or Vocab.from_words([], self.tokenizer.name))
        grow = self.vocab is None
        if grow:
            words.enlarge()
        ids, ends = np.empty(len(data), np.int32), np.empty(len(data), np.int64)
        oov_at = np.empty(0 if grow else len(data), np.int64)
        while True:
            status = kernels._encode(
                data, words.state, words.pool, words.begin, words.table, ids, ends, oov_at,
                grow, self.replace_specials, self.keep_empty_lines,
            )  # fmt: skip
            if status == kernels.DONE:
                break
            if status == kernels.SPECIAL:
                raise self._special_word(words.state, data, source, first_line)
            words.enlarge()
        state = words.state
        n_ids, n_sentences, n_oov = (int(state[i]) for i in (kernels.N_IDS, kernels.N_SENTENCES, kernels.N_OOV))
        chars = int(state[kernels.CHARS]) if self.tokenizer.name == "whitespace" else _characters(chunk)
        return _Chunk(ids[:n_ids].copy(), ends[:n_sentences].copy(), oov_at[:n_oov].copy(), words, text_bytes, chars)

    def _special_word(self, state: np.ndarray, data: np.ndarray, source: PathLike, first_line: int) -> InputError:
        word = SPECIALS[2] if data[state[kernels.POS] + 1] == ord("/") else SPECIALS[1]
        return InputError(
            f"{source}:{first_line + int(state[kernels.LINE]) + 1}: {word} stands inside the line; sentence ends "
            "are added by lmmix itself: remove it, or treat it as space with --replace-specials"
        )

    def _join(self, chunk: _Chunk) -> None:
        ids = chunk.ids if self.vocab is not None else self.words.add_all(chunk.words)[chunk.ids]
        self._ids.append(ids)
        self._ends.append(chunk.ends + self._events)
        self._oov_at.append(chunk.oov_at + self._events)
        self._events += len(ids)
        self.empty_lines += int(chunk.words.state[kernels.EMPTY_LINES])
        self.chars += chunk.chars


def _characters(chunk: bytes) -> int:
    """Characters of the words of a text, one space or line end counted behind each, however it is tokenised."""
    return sum(len(word) + 1 for word in SPACE.split(chunk.decode()) if word)
