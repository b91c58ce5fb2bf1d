"""Reading ARPA files, whoever wrote them.

Accepted as they are: any line length, tabs or blanks, empty lines, text before `\\data\\`, a missing `<s>`, `</s>`
or `<unk>` (probability 0, logged), `<UNK>` for `<unk>`, `</s>` inside an n-gram, n-grams in any order, -99 or -inf
for zero, n-grams whose suffix is missing, as pruning leaves them (they back off to the longest suffix there is). An
n-gram that ends in `<s>` has probability 0, whatever the file says. What makes numbers doubtful is an error that names
the line: counts that differ from the header, a missing `\\end\\`, positive or nan log-probabilities, back-offs that are
nan or above 99, a context without back-off, an n-gram whose context is missing, a repeated n-gram, an unknown word.
With `repair` these are mended, and the log says how many.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lmmix import _text_kernels
from lmmix.errors import FormatError
from lmmix.fileio import PathLike, decode_utf8, read_line_chunks
from lmmix.ngram import _arpa_kernels as kernels
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import MAX_NODES, MAX_ORDER
from lmmix.ngram.tree_builder import Problems, Section, TreeBuilder
from lmmix.progress import task
from lmmix.vocab import SPECIALS, UNK, Vocab

logger = logging.getLogger("lmmix")

_BLANKS = " \t\v\f\r\0"
_ANNOUNCED = re.compile(rf"ngram[{_BLANKS}]+0*([0-9]{{1,18}})[{_BLANKS}]*=[{_BLANKS}]*0*([0-9]{{1,18}})")
_OTHER_UNK = "<UNK>"


def read_arpa(path: PathLike, repair: bool = False, tokenizer: str = "whitespace") -> BackoffModel:
    """The back-off model in an ARPA file.

    Parameters
    ----------
    path : path
        Plain or compressed by suffix; ``-`` is standard input.
    repair : bool
        Mend what is wrong instead of raising, and log what was done.
    tokenizer : str
        What made the tokens; the file does not say so itself.

    Raises FormatError with file and line, InputError.
    """
    problems = Problems(str(path), repair)
    lines = _Lines(path)
    announced = _read_header(lines, problems)
    with task(f"reading {path}", len(announced)) as advance:
        vocab, section = _read_unigrams(lines, tokenizer)
        builder = TreeBuilder(vocab, len(announced), section, problems)
        _check_count(announced, 1, section, problems)
        advance(1)
        for order in range(2, len(announced) + 1):
            section = _read_section(lines, order, vocab, problems)
            _check_count(announced, order, section, problems)
            builder.add(section, order)
            advance(1)
    if lines.marker() != "\\end\\":
        problems.found(f":{lines.number}", "\\end\\ is missing: is the file truncated?", "end of file taken as the end")
    lines.drain()
    model = builder.finish(Path(str(path)).name)
    problems.log()
    return model


def _check_count(announced: list[int], order: int, section: Section, problems: Problems) -> None:
    found = len(section.ids)
    if found != announced[order - 1]:
        what = f"the header says ngram {order}={announced[order - 1]}, but there are {found}"
        problems.found("", what, "counts taken from the file")


class _Lines:
    """The file as buffers of whole lines, with a place and a line number, over the ends of chunks.

    `unk` is how the file spells `<unk>`.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = str(path)
        self._chunks = read_line_chunks(path)
        self.bytes = b""
        self.data = np.zeros(0, np.uint8)
        self.at = 0
        self.number = 1
        self.unk = SPECIALS[UNK]

    def fill(self) -> bool:
        """Whether there is anything left to read; loads the next chunk when this one is used up."""
        while self.at >= len(self.data):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            if not chunk.isascii():
                decode_utf8(chunk, self.path, self.number)
            self.bytes = chunk
            self.data = np.frombuffer(bytearray(chunk), np.uint8)
            self.at = 0
        return True

    def peek(self) -> str | None:
        """The line at the place, or None at the end of the file."""
        if not self.fill():
            return None
        return self.bytes[self.at : self.bytes.index(b"\n", self.at)].decode().strip(_BLANKS)

    def skip(self) -> None:
        self.at = self.bytes.index(b"\n", self.at) + 1
        self.number += 1

    def drain(self) -> None:
        """Pass over what is left, for at its end compressed data proves to be sound."""
        while self.fill():
            self.at = len(self.data)

    def marker(self) -> str | None:
        """The next line that is not empty, passed over; None at the end of the file."""
        while (line := self.peek()) is not None:
            self.skip()
            if line:
                return line
        return None


def _read_header(lines: _Lines, problems: Problems) -> list[int]:
    """The number of n-grams of each order that the header announces."""
    first = lines.peek()
    while (line := lines.peek()) is not None and line != "\\data\\":
        lines.skip()
    if line is None:
        start = f"its first line is {first[:60]!r}" if first else "it is empty"
        raise FormatError(f"{lines.path}: not an ARPA file: there is no line \\data\\ ({start})")
    lines.skip()
    counts: list[int] = []
    while (line := lines.peek()) is not None and not line.startswith("\\"):
        match = _ANNOUNCED.fullmatch(line)
        if line and (match is None or int(match[1]) != len(counts) + 1):
            raise FormatError(f"{lines.path}:{lines.number}: {line[:60]!r} is not 'ngram {len(counts) + 1}=COUNT'")
        if match:
            counts.append(int(match[2]))
        if len(counts) > MAX_ORDER or sum(counts) > MAX_NODES:
            raise FormatError(
                f"{lines.path}:{lines.number}: the header announces order {len(counts)} and {sum(counts)} n-grams; a "
                f"model can hold order {MAX_ORDER} and {MAX_NODES}"
            )
        lines.skip()
    if not counts:
        raise FormatError(f"{lines.path}:{lines.number}: the header announces no n-grams")
    return counts


def _raw_sections(
    lines: _Lines, order: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Parsed stretches of one order: starts and ends of words in `lines.data`, log10 numbers, line numbers."""
    marker = lines.marker()
    if marker != f"\\{order}-grams:":
        raise FormatError(
            f"{lines.path}:{max(1, lines.number - 1)}: expected \\{order}-grams:, found {(marker or 'the end')[:60]!r}"
        )
    stopped = kernels.END_OF_DATA
    while stopped == kernels.END_OF_DATA and lines.fill():
        # An n-gram takes 2 · order + 2 bytes or more, so a high order cannot ask for much memory.
        rows = min(lines.bytes.count(b"\n", lines.at), (len(lines.data) - lines.at) // (2 * order + 2) + 1)
        lo, hi = np.empty((rows, order), np.int64), np.empty((rows, order), np.int64)
        log10p, log10bow, line_of = np.empty(rows), np.empty(rows), np.empty(rows, np.int32)
        stopped, lines.at, found, passed = kernels._parse_ngrams(
            lines.data, lines.at, order, lo, hi, log10p, log10bow, line_of
        )
        first = lines.number
        lines.number += passed
        if stopped in (kernels.BAD_NUMBER, kernels.WRONG_WORDS):
            text = lines.peek() or ""
            raise FormatError(f"{lines.path}:{lines.number}: {text[:80]!r} is not 'log10p {order} words [back-off]'")
        yield lo[:found], hi[:found], log10p[:found], log10bow[:found], first + line_of[:found]


def _read_unigrams(lines: _Lines, tokenizer: str) -> tuple[Vocab, Section]:
    """The vocabulary, ids in the order of the file behind the special ones, and the unigrams."""
    words: list[str] = []
    parts = []
    for lo, hi, log10p, log10bow, line in _raw_sections(lines, 1):
        words += [lines.bytes[a:b].decode() for a, b in zip(lo[:, 0].tolist(), hi[:, 0].tolist())]
        parts.append((log10p, log10bow, line))
    if not words:
        raise FormatError(f"{lines.path}:{lines.number}: there are no unigrams")
    log10p, log10bow, line = (np.concatenate(arrays) for arrays in zip(*parts))
    seen = set(words)
    if len(seen) < len(words):
        first: set[str] = set()
        row = next(i for i, word in enumerate(words) if word in first or first.add(word))  # type: ignore[func-returns-value]
        raise FormatError(f"{lines.path}:{line[row]}: the word {words[row]!r} is there twice")
    if SPECIALS[UNK] not in seen and _OTHER_UNK in seen:
        words[words.index(_OTHER_UNK)] = SPECIALS[UNK]
        seen.add(SPECIALS[UNK])
        lines.unk = _OTHER_UNK
    for special in SPECIALS:
        if special not in seen:
            logger.warning("%s: %s is missing; it gets probability 0", lines.path, special)
    vocab = Vocab.from_words(words, tokenizer)
    return vocab, Section(_unigram_ids(words), log10p, log10bow, line)


def _unigram_ids(words: list[str]) -> np.ndarray:
    """(words, 1) int32: the ids that `Vocab.from_words` gives, the special words first, the others in their order."""
    special = {words.index(word): i for i, word in enumerate(SPECIALS) if word in words}
    others = np.ones(len(words), bool)
    others[list(special)] = False
    ids = len(SPECIALS) - 1 + np.cumsum(others, dtype=np.int32)
    ids[list(special)] = list(special.values())
    return ids[:, None]


def _read_section(lines: _Lines, order: int, vocab: Vocab, problems: Problems) -> Section:
    parts = []
    for lo, hi, log10p, log10bow, line in _raw_sections(lines, order):
        ids = np.empty(lo.shape, np.int32)
        _text_kernels._look_up(
            lines.data, lo.reshape(-1), hi.reshape(-1), vocab.pool, vocab.begin, vocab.table, ids.reshape(-1)
        )
        ids[_spelled(lines, lo, hi, ids)] = UNK
        known = (ids >= 0).all(axis=1)
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            column = int(np.flatnonzero(ids[row] < 0)[0])
            word = lines.bytes[lo[row, column] : hi[row, column]].decode()
            what, cure = f"the word {word!r} is no unigram", "n-grams with unknown words left out"
            problems.found(f":{line[row]}", what, cure, int((~known).sum()))
        parts.append((ids[known], log10p[known], log10bow[known], line[known]))
    if not parts:
        return Section(np.zeros((0, order), np.int32), np.zeros(0), np.zeros(0), np.zeros(0, np.int32))
    return Section(*(np.concatenate(arrays) for arrays in zip(*parts)))


def _spelled(lines: _Lines, lo: np.ndarray, hi: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where among the words that were not found the file's own spelling of `<unk>` stands."""
    rows, columns = np.nonzero(ids < 0)
    unk = lines.unk.encode()
    same = [lines.bytes[lo[row, column] : hi[row, column]] == unk for row, column in zip(rows, columns)]
    keep = np.array(same, bool)
    return rows[keep], columns[keep]
