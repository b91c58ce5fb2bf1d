"""The text of an ARPA file: where the reader stands, and its sections parsed on several threads.

A section is worked on chunk by chunk, some chunks ahead of whoever takes the results. Chunks that turn out to lie
behind its end are kept and read again as part of the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from lmmix.errors import FormatError, InputError
from lmmix.fileio import CHUNK_BYTES, PathLike, decode_utf8, read_line_chunks
from lmmix.ngram import _arpa_kernels as kernels
from lmmix.parallel import thread_imap
from lmmix.vocab import SPECIALS, UNK

BLANKS = " \t\v\f\r\0"

Result = TypeVar("Result")


@dataclass
class Chunk:
    """Some whole lines of the file; `at` is the place behind what was read of them."""

    text: bytes
    at: int = 0

    @cached_property
    def data(self) -> np.ndarray:
        """The same bytes for the kernels, which take writable arrays only."""
        return np.frombuffer(bytearray(self.text), np.uint8)

    @property
    def used_up(self) -> bool:
        """Whether all lines were read."""
        return self.at >= len(self.text)

    def has_marker(self) -> bool:
        """Whether a line still to be read begins with a backslash."""
        # Most chunks have no backslash at all, which is seen much faster.
        at = self.text.find(b"\\", self.at)
        return at >= 0 and self.text.find(b"\n\\", max(0, at - 1)) >= 0


@dataclass
class Stretch:
    """The n-grams of one order in one chunk.

    Attributes
    ----------
    chunk : Chunk
    stopped : int
        Why parsing stopped, see `_arpa_kernels`.
    at, passed : int
        Where it stopped, and how many lines it passed.
    lo, hi : (rows, order) int64
        Places of the words in the chunk.
    log10p, log10bow : (rows,) float64
        What the lines say; a missing back-off is nan, a back-off that reads nan is inf.
    line_of : (rows,) int32
        Lines passed before that of each n-gram.
    """

    chunk: Chunk
    stopped: int
    at: int
    passed: int
    lo: np.ndarray
    hi: np.ndarray
    log10p: np.ndarray
    log10bow: np.ndarray
    line_of: np.ndarray


class ArpaText:
    """The file as chunks of whole lines, with a place and a line number, over the ends of chunks.

    `unk` is how the file spells `<unk>`.
    """

    def __init__(self, path: PathLike, threads: int | None = None) -> None:
        self.path = str(path)
        self.threads = threads
        self.number = 1
        self.unk = SPECIALS[UNK]
        self._chunks = read_line_chunks(path, CHUNK_BYTES)
        self._drawn: deque[Chunk] = deque()
        self._failure: InputError | None = None

    def _draw(self) -> Chunk | None:
        """The next chunk of the file, which is kept until it is used up."""
        if self._failure is not None:
            raise self._failure
        text = next(self._chunks, None)
        if text is None:
            return None
        self._drawn.append(Chunk(text))
        return self._drawn[-1]

    def _draw_ahead(self) -> Chunk | None:
        """As `_draw`, but what fails is raised when it is the turn of that chunk."""
        try:
            return self._draw()
        except InputError as error:
            self._failure = error
            return None

    def _fill(self) -> Chunk | None:
        """The chunk in which the next line stands; None at the end of the file."""
        while self._drawn and self._drawn[0].used_up:
            self._drawn.popleft()
        chunk = self._drawn[0] if self._drawn else self._draw()
        if chunk:
            self._check(chunk)
        return chunk

    def _check(self, chunk: Chunk) -> None:
        """Raise InputError for a byte that is not UTF-8; whole chunks are checked when something of them is read."""
        if chunk.at == 0 and not chunk.text.isascii():
            decode_utf8(chunk.text, self.path, self.number)

    def peek(self) -> str | None:
        """The line at the place, or None at the end of the file."""
        chunk = self._fill()
        if chunk is None:
            return None
        return chunk.text[chunk.at : chunk.text.index(b"\n", chunk.at)].decode().strip(BLANKS)

    def skip(self) -> None:
        """Pass over the line that `peek` gave."""
        chunk = self._drawn[0]
        chunk.at = chunk.text.index(b"\n", chunk.at) + 1
        self.number += 1

    def drain(self) -> None:
        """Pass over what is left, for at its end compressed data proves to be sound."""
        while chunk := self._fill():
            chunk.at = len(chunk.text)

    def marker(self) -> str | None:
        """The next line that is not empty, passed over; None at the end of the file."""
        while (line := self.peek()) is not None:
            self.skip()
            if line:
                return line
        return None

    def section(self, order: int, work: Callable[[Stretch], tuple[Result, bool]]) -> Iterator[tuple[int, Result]]:
        """(line number, result) of each stretch of the section of an order, in the order of the file.

        `work` makes the result on one of several threads, and says whether all words of the stretch are known: if so,
        it need not be checked that they are UTF-8. Raises FormatError for a line that is no n-gram, InputError.
        """
        marker = self.marker()
        if marker != f"\\{order}-grams:":
            raise FormatError(
                f"{self.path}:{max(1, self.number - 1)}: expected \\{order}-grams:, "
                f"found {(marker or 'the end')[:60]!r}"
            )

        def parse_and_work(chunk: Chunk) -> tuple[Stretch, Result, bool]:
            stretch = parsed(chunk, order)
            return stretch, *work(stretch)

        for stretch, result, known in thread_imap(parse_and_work, self._ahead(), self.threads):
            first = self.number
            self._pass(stretch, order, known)
            yield first, result
            if stretch.stopped == kernels.SECTION:
                return

    def _ahead(self) -> Iterator[Chunk]:
        """The chunks from the place on, up to the first that seems to hold the end of a section."""
        self._fill()
        for chunk in list(self._drawn):
            yield chunk
            if chunk.has_marker():
                return
        while drawn := self._draw_ahead():
            yield drawn
            if drawn.has_marker():
                return

    def _pass(self, stretch: Stretch, order: int, known: bool) -> None:
        chunk = stretch.chunk
        if not known or stretch.stopped != kernels.END_OF_DATA:
            self._check(chunk)
        chunk.at = stretch.at
        self.number += stretch.passed
        if stretch.stopped in (kernels.BAD_NUMBER, kernels.WRONG_WORDS):
            text = self.peek() or ""
            raise FormatError(f"{self.path}:{self.number}: {text[:80]!r} is not 'log10p {order} words [back-off]'")
        if chunk.used_up:
            self._drawn.popleft()


def parsed(chunk: Chunk, order: int) -> Stretch:
    """The n-grams from the place on, up to the end of the section, a faulty line, or the end of the chunk."""
    # An n-gram takes 2 · order + 2 bytes or more; room that is not used takes no memory.
    rows = (len(chunk.text) - chunk.at) // (2 * order + 2) + 1
    lo, hi = np.empty((rows, order), np.int64), np.empty((rows, order), np.int64)
    numbers = log10p, log10bow, line_of = np.empty(rows), np.empty(rows), np.empty(rows, np.int32)
    stopped, at, found, passed = kernels._parse_ngrams(chunk.data, chunk.at, order, lo, hi, log10p, log10bow, line_of)
    return Stretch(chunk, stopped, at, passed, lo[:found], hi[:found], *(array[:found].copy() for array in numbers))
