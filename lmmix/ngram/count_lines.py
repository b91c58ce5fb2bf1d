"""Lines of count files, `w1 … wn count`, parsed chunk by chunk into ids and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lmmix import _text_kernels
from lmmix.encode import WordTable
from lmmix.errors import FormatError
from lmmix.fileio import PathLike, decode_utf8
from lmmix.ngram import _arpa_kernels as kernels
from lmmix.ngram.counts import MAX_ORDER
from lmmix.vocab import BOS, EOS, UNK, Vocab

_WHAT_IS_WRONG = {
    kernels.WRONG_WORDS: "is not 'words count'",
    kernels.BAD_NUMBER: "does not end in a count",
    kernels.BAD_COUNT: f"ends in a count that is not from 0 to {kernels.LARGEST_COUNT}",
}

_GOOGLE_SPECIALS = re.compile(rb"(?<!\S)<(?:/?S|UNK)>(?!\S)")


@dataclass
class CountLines:
    """Some lines: ids of all their words in a row, where each n-gram begins among them, and counts.

    Without a given vocabulary `words` has the words of these lines alone, and the ids are theirs.
    """

    ids: np.ndarray
    first: np.ndarray
    count: np.ndarray
    words: WordTable | None
    text_bytes: int


class LineParser:
    """Parses the lines of count files; words outside `vocab`, if there is one, become `<unk>`.

    `order` is the length of the longest n-gram allowed. Files of Google spell the special words in capitals.
    """

    def __init__(self, vocab: Vocab | None, order: int | None) -> None:
        self.vocab, self.order = vocab, order or MAX_ORDER

    def parse(self, path: PathLike, text: bytes, first_line: int, google: bool) -> CountLines:
        """The lines of `text`, the first of which is line `first_line` of `path`. Raises FormatError, InputError."""
        if not text.isascii():
            decode_utf8(text, path, first_line)
        if google:
            text = _GOOGLE_SPECIALS.sub(lambda found: found[0].lower(), text)
        data = np.frombuffer(bytearray(text), np.uint8)
        lo, hi = np.empty((2, len(data) // 2 + 1), np.int64)
        lines = text.count(b"\n")
        first, line_of, count = np.empty(lines + 1, np.int64), np.empty(lines, np.int64), np.empty(lines)
        why, rows, words, line = kernels._parse_counts(data, self.order, lo, hi, first, count, line_of)
        if why != kernels.END_OF_DATA:
            raise self._bad_line(path, text, why, first_line, line)
        first = first[: rows + 1].copy()
        lo, hi, table = lo[:words], hi[:words], None
        if self.vocab is None:
            table = WordTable(Vocab.from_words([]))
            ids = table.add_words(data, lo, hi)
        else:
            ids = known_ids(self.vocab, data, lo, hi)
        _check_specials(path, ids, first, first_line + line_of)
        return CountLines(ids, first, count[:rows].copy(), table, len(text))

    def _bad_line(self, path: PathLike, text: bytes, why: int, first_line: int, line: int) -> FormatError:
        content = text.split(b"\n", line + 1)[line].decode().strip()
        what = _WHAT_IS_WRONG.get(why, f"is an n-gram of more than {self.order} words, the order asked for")
        return FormatError(f"{path}:{first_line + line}: {content[:80]!r} {what}")


def known_ids(vocab: Vocab, data: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """(W,) int32: the ids of the words ``data[lo[i]:hi[i]]``, that of `<unk>` for words outside `vocab`."""
    ids = np.empty(len(lo), np.int32)
    _text_kernels._look_up(data, lo, hi, vocab.pool, vocab.begin, vocab.table, ids)
    return np.where(ids < 0, np.int32(UNK), ids)


def _check_specials(path: PathLike, ids: np.ndarray, first: np.ndarray, line: np.ndarray) -> None:
    """`<s>` only begins n-grams and `</s>` only ends them."""
    inside = ids == BOS
    inside[first[:-1]] = False
    ending = ids == EOS
    ending[first[1:] - 1] = False
    bad = np.flatnonzero(inside | ending)
    if len(bad):
        row = int(np.searchsorted(first, bad[0], side="right")) - 1
        raise FormatError(f"{path}:{line[row]}: <s> can only begin an n-gram, and </s> can only end one")
