"""Vocabularies: ids 0 `<unk>`, 1 `<s>`, 2 `</s>`, then the words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from lmmix.errors import EventSpaceError, FormatError, SettingError
from lmmix.fileio import PathLike, atomic_write, read_text_lines
from lmmix.tokenize import full_name, same_tokens, tokens_name

UNK, BOS, EOS = 0, 1, 2
SPECIALS = ("<unk>", "<s>", "</s>")

SPACE = re.compile("[ \t\n\v\f\r\0]")
"""What parts words: ASCII white space, and NUL as in KenLM. Other Unicode spaces may be part of a word."""


def words_of(text: str) -> list[str]:
    """The words of a text: what stands between `SPACE`."""
    return [word for word in SPACE.split(text) if word]


class Vocab:
    """An ordered set of words with the tokeniser that makes them; the event space of a language model.

    Words live as UTF-8 bytes in one pool, so that kernels can read them and files can map them.

    Attributes
    ----------
    pool : (bytes,) uint8
        All words, one after the other.
    begin : (V + 1,) int64
        Word i is ``pool[begin[i]:begin[i + 1]]``.
    tokenizer : str
        Name of the tokeniser whose tokens these words are (see `lmmix.tokenize`).
    """

    def __init__(self, pool: np.ndarray, begin: np.ndarray, tokenizer: str = "whitespace") -> None:
        # Kernels take writable arrays only, although they never write to these.
        self.pool = np.require(pool, np.uint8, ["C", "W"])
        self.begin = np.require(begin, np.int64, ["C", "W"])
        self.tokenizer = full_name(tokenizer)

    @classmethod
    def from_words(cls, words: Iterable[str], tokenizer: str = "whitespace") -> Vocab:
        """The three special words and then `words` in their order; special words among them are passed over.

        Raises SettingError for a repeated word or one that holds white space.
        """
        rest = [word for word in words if word not in SPECIALS]
        for word in rest:
            if not word or SPACE.search(word):
                raise SettingError(f"{word!r} cannot be a word: it is empty or holds white space")
        if len(set(rest)) != len(rest):
            seen: set[str] = set()
            twice = next(word for word in rest if word in seen or seen.add(word))  # type: ignore[func-returns-value]
            raise SettingError(f"the word {twice!r} stands twice in the vocabulary")
        encoded = [word.encode() for word in (*SPECIALS, *rest)]
        begin = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(word) for word in encoded], out=begin[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), begin, tokenizer)

    @classmethod
    def read(cls, path: PathLike, tokenizer: str = "whitespace") -> Vocab:
        """A vocabulary file: one word a line, in order of id; the special words may be left out.

        Raises FormatError with the line of an empty or repeated word or one with white space inside.
        """
        words: dict[str, int] = {}
        for number, line in read_text_lines(path):
            word = line.strip(" \t\v\f")
            if not word or SPACE.search(word):
                raise FormatError(f"{path}:{number}: {line!r} is not one word; a vocabulary has one word a line")
            if word in words:
                raise FormatError(f"{path}:{number}: the word {word!r} stands already in line {words[word]}")
            words[word] = number
        if not words:
            raise FormatError(f"{path}: the vocabulary holds no word")
        return cls.from_words(words, tokenizer)

    def write(self, path: PathLike) -> None:
        """Write the words but the three special ones, one a line, in order of id."""
        with atomic_write(path) as stream:
            stream.write("".join(f"{word}\n" for word in self.words[len(SPECIALS) :]).encode())

    def __len__(self) -> int:
        return len(self.begin) - 1

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        """The same words with the same ids, made by the same tokeniser."""
        if not isinstance(other, Vocab):
            return NotImplemented
        return self is other or (
            same_tokens(self.tokenizer, other.tokenizer)
            and np.array_equal(self.begin, other.begin)
            and np.array_equal(self.pool, other.pool)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Vocab of {len(self)} words, {self.tokenizer}, {self.fingerprint}>"

    @cached_property
    def words(self) -> Sequence[str]:
        """All words by id, the special ones included."""
        data, begin = self.pool.tobytes(), self.begin.tolist()
        return [data[lo:hi].decode() for lo, hi in pairwise(begin)]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def id(self, word: str) -> int:
        """The id of `word`, that of `<unk>` if it is not in the vocabulary."""
        return self._ids.get(word, UNK)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name the event space: the set of words in any order, and the tokeniser."""
        digest = hashlib.sha256(tokens_name(self.tokenizer).encode() + b"\n")
        digest.update("\n".join(sorted(self.words)).encode())
        return digest.hexdigest()[:16]

    @cached_property
    def table(self) -> np.ndarray:
        """(slots,) int32 open-addressing hash table over the pool, for the kernels."""
        from lmmix import _text_kernels as kernels

        table = np.full(table_slots(len(self)), -1, np.int32)
        kernels._fill_table(self.pool, self.begin, len(self), table)
        return table

    def translation(self, other: Vocab) -> np.ndarray:
        """(len(self),) int32: the id in `other` of each word here, `<unk>` for words that `other` lacks.

        Raises EventSpaceError if the two come from different tokenisers.
        """
        if not same_tokens(self.tokenizer, other.tokenizer):
            raise EventSpaceError(
                f"tokens made by {self.tokenizer!r} cannot be read by a model of tokens made by {other.tokenizer!r}; "
                "read the text with the model's tokeniser (--tokenizer)"
            )
        if self == other:
            return np.arange(len(self), dtype=np.int32)
        ids = other._ids
        return np.fromiter((ids.get(word, UNK) for word in self.words), np.int32, len(self))

    def check_same_events(self, other: Vocab, mine: str, others: str) -> None:
        """Raise EventSpaceError unless both have the same set of words; `mine` and `others` name the models."""
        if self == other or self.fingerprint == other.fingerprint:
            return
        if not same_tokens(self.tokenizer, other.tokenizer):
            raise EventSpaceError(
                f"{mine} has tokens made by {self.tokenizer!r}, {others} by {other.tokenizer!r}, so their "
                "probabilities do not compare; train both with one --tokenizer"
            )
        only_here = sum(word not in other for word in self.words)
        only_there = sum(word not in self for word in other.words)
        raise EventSpaceError(
            f"{mine} and {others} have different vocabularies ({len(self)} and {len(other)} words; "
            f"{only_here} only in the first, {only_there} only in the second), so their probabilities do not "
            "compare; train both with one --vocab"
        )


def table_slots(words: int) -> int:
    """A power of two of slots that keeps a table of `words` at most half full."""
    return max(16, 1 << (2 * words - 1).bit_length())
