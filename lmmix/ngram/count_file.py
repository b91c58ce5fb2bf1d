"""Reading count files: text as SRILM and Google write it, and the binary `.lmc`; several are added up.

A line is the words of an n-gram and its count, parted by blanks or tabs, in any sequence, all orders in one file or
not. The same n-gram in several lines or files gets the sum of its counts. Words get ids in the order in which they
first appear; the files that `lmmix count` writes begin with the unigrams in order of id, so every id comes back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmmix import _text_kernels
from lmmix.artefact import MAGIC
from lmmix.encode import WordTable
from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import COMPRESSED, PathLike, decode_utf8, read_line_chunks
from lmmix.ngram import _arpa_kernels as kernels
from lmmix.ngram.count_artefact import read_lmc
from lmmix.ngram.count_builder import CountRows, build_counts
from lmmix.ngram.counts import MAX_ORDER, NgramCounts
from lmmix.parallel import thread_imap
from lmmix.progress import task
from lmmix.tokenize import same_tokens
from lmmix.vocab import BOS, EOS, UNK, Vocab

_WHAT_IS_WRONG = {
    kernels.WRONG_WORDS: "is not 'words count'",
    kernels.BAD_NUMBER: "does not end in a count",
    kernels.BAD_COUNT: f"ends in a count that is not from 0 to {kernels.LARGEST_COUNT}",
}


def read_counts(
    paths: PathLike | Sequence[PathLike],
    vocab: Vocab | None = None,
    *,
    order: int | None = None,
    tokenizer: str | None = None,
    threads: int | None = None,
) -> tuple[NgramCounts, Vocab]:
    """The n-gram counts of one or several files, added up, and their vocabulary.

    Parameters
    ----------
    paths : path or paths
        Count files, text (compressed by suffix) or `.lmc`, known by their content; or folders in the format of the
        Google n-grams. A single `.lmc` is mapped into memory.
    vocab : Vocab, optional
        Words outside it become `<unk>`. By default it has the words of the files in order of first appearance.
    order : int, optional
        Length of the longest n-grams; a longer one is an error. By default that of the longest one found.
    tokenizer : str, optional
        What made the tokens of a text file, which cannot say so itself; by default that of `vocab`, or white space.
    threads : int, optional
        Default: all cores. The result does not depend on it.

    Raises
    ------
    FormatError
        A line that is no n-gram with a count (with file and line); shorter n-grams missing (see `count_builder`).
    EventSpaceError
        Counts of tokens made by another tokeniser.
    InputError
        A file that cannot be read or is not UTF-8, or no n-gram at all.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not given:
        raise SettingError("no count file to read")
    if order is not None and not 1 <= order <= MAX_ORDER:
        raise SettingError(f"order is {order}; it must be from 1 to {MAX_ORDER}")
    files = [file for path in given for file in _files_of(path)]
    if len(files) == 1 and vocab is None and _is_artefact(files[0]):
        return _single_artefact(files[0], order, tokenizer)
    reader = _Reader(vocab, order, tokenizer, threads)
    for file in files:
        reader.read(file)
    rows = reader.rows()
    source = ", ".join(map(str, given))
    if not len(rows):
        raise InputError(f"{source}: no n-gram to read: only empty lines, or nothing")
    vocab = vocab or reader.words.in_order()
    return build_counts(rows, vocab, source, threads), vocab


def _single_artefact(path: PathLike, order: int | None, tokenizer: str | None) -> tuple[NgramCounts, Vocab]:
    counts, vocab = read_lmc(path)
    _check_tokenizer(path, vocab.tokenizer, tokenizer or vocab.tokenizer)
    _check_order(path, counts, order)
    return counts, vocab


def _check_tokenizer(path: PathLike, found: str, wanted: str) -> None:
    if not same_tokens(found, wanted):
        raise EventSpaceError(f"{path}: its tokens are made by {found!r}, not by {wanted!r}")


def _check_order(path: PathLike, counts: NgramCounts, order: int | None) -> None:
    longest = max(n for n, number in enumerate(counts.tree.counts(), 1) if number)
    if order is not None and longest > order:
        raise FormatError(f"{path}: holds {longest}-grams; the order is {order}")


def _files_of(path: PathLike) -> Iterator[PathLike]:
    """The file itself, or those of a folder of Google n-grams: 1gms/vocab.gz, 2gms/2gm-0001.gz, …"""
    if not os.path.isdir(path):
        yield path
        return
    root = Path(path)
    files = [*root.glob("1gms/vocab.*"), *sorted(root.glob("*gms/*gm-*"))]
    files = [file for file in files if file.name.removesuffix(file.suffix) in ("vocab",) or file.suffix in COMPRESSED]
    if not files:
        raise FormatError(f"{path}: a folder of counts holds 1gms/vocab.gz, 2gms/2gm-0001.gz, …; here is none of these")
    yield from files


def _is_artefact(path: PathLike) -> bool:
    if os.fspath(path) == "-" or not os.path.isfile(path):
        return False
    with open(path, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


@dataclass
class _Chunk:
    """Lines of text, parsed: ids of all words in a row, where each n-gram begins, its count; own words if any."""

    ids: np.ndarray
    first: np.ndarray
    count: np.ndarray
    words: WordTable | None
    text_bytes: int


class _Reader:
    """Collects the n-grams of several files; without a given vocabulary also their words."""

    def __init__(self, vocab: Vocab | None, order: int | None, tokenizer: str | None, threads: int | None) -> None:
        self.vocab, self.order, self.threads = vocab, order, threads
        self.tokenizer = tokenizer or (vocab.tokenizer if vocab else None)
        self.words = WordTable(Vocab.from_words([], self.tokenizer or "whitespace"))
        self._parts: dict[int, list[CountRows]] = {}

    def rows(self) -> list[CountRows]:
        """What was read, by order from 1; none at all if there was nothing."""
        if not self._parts:
            return []
        rows = []
        for n in range(1, (self.order or max(self._parts)) + 1):
            parts = self._parts.pop(n, [CountRows(np.zeros((0, n), np.int32), np.zeros(0))])
            ids = np.concatenate([part.ids for part in parts])
            rows.append(CountRows(ids, np.concatenate([part.count for part in parts])))
        return rows

    def read(self, path: PathLike) -> None:
        """Add the n-grams of one file."""
        if _is_artefact(path):
            self._read_artefact(path)
            return
        known = os.path.isfile(path) and not str(path).endswith(COMPRESSED)
        with task(f"reading {path}", os.path.getsize(path) if known else None) as advance:
            for chunk in thread_imap(lambda item: self._parsed(path, *item), _numbered(path), self.threads):
                ids = chunk.ids if chunk.words is None else self.words.add_all(chunk.words)[chunk.ids]
                self._add(ids, chunk.first, chunk.count)
                advance(chunk.text_bytes)

    def _read_artefact(self, path: PathLike) -> None:
        counts, words = read_lmc(path)
        if self.tokenizer is None and not self._parts:
            self.tokenizer = self.words.tokenizer = words.tokenizer
        _check_tokenizer(path, words.tokenizer, self.tokenizer or "whitespace")
        _check_order(path, counts, self.order)
        new_ids = self._ids(words.pool, words.begin[:-1], words.begin[1:])
        tree = counts.tree
        ids = np.zeros((1, 0), np.int32)
        for n in range(1, tree.order + 1):
            nodes, contexts = tree.nodes(n), tree.nodes(n - 1)
            children = np.diff(tree.begin[contexts.start : contexts.stop + 1])
            ids = np.column_stack([np.repeat(ids, children, axis=0), new_ids[tree.word[nodes]]])
            self._parts.setdefault(n, []).append(CountRows(ids, counts.count[nodes].astype(np.float64)))

    def _ids(self, data: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """The ids of the words ``data[lo[i]:hi[i]]``, which become words if there is no vocabulary."""
        if self.vocab is None:
            return self.words.add_words(data, lo, hi)
        ids = np.empty(len(lo), np.int32)
        _text_kernels._look_up(data, lo, hi, self.vocab.pool, self.vocab.begin, self.vocab.table, ids)
        return np.where(ids < 0, np.int32(UNK), ids)

    def _add(self, ids: np.ndarray, first: np.ndarray, count: np.ndarray) -> None:
        length = np.diff(first)
        for n in np.unique(length).tolist():
            rows = np.flatnonzero(length == n)
            of_order = ids.reshape(-1, n) if len(rows) == len(length) else ids[first[rows][:, None] + np.arange(n)]
            self._parts.setdefault(n, []).append(CountRows(of_order, count[rows]))

    def _parsed(self, path: PathLike, text: bytes, first_line: int) -> _Chunk:
        if not text.isascii():
            decode_utf8(text, path, first_line)
        data = np.frombuffer(bytearray(text), np.uint8)
        lo, hi = np.empty((2, len(data) // 2 + 1), np.int64)
        lines = text.count(b"\n")
        first, line_of, count = np.empty(lines + 1, np.int64), np.empty(lines, np.int64), np.empty(lines)
        why, rows, words, line = kernels._parse_counts(data, self.order or MAX_ORDER, lo, hi, first, count, line_of)
        if why != kernels.END_OF_DATA:
            raise self._bad_line(path, text, why, first_line, line)
        lo, hi, first = lo[:words], hi[:words], first[: rows + 1].copy()
        table = None
        if self.vocab is None:
            table = WordTable(Vocab.from_words([], self.words.tokenizer))
            ids = table.add_words(data, lo, hi)
        else:
            ids = self._ids(data, lo, hi)
        self._check_specials(path, ids, first, first_line + line_of)
        return _Chunk(ids, first, count[:rows].copy(), table, len(text))

    def _bad_line(self, path: PathLike, text: bytes, why: int, first_line: int, line: int) -> FormatError:
        content = text.split(b"\n", line + 1)[line].decode().strip()
        what = _WHAT_IS_WRONG.get(
            why, f"is an n-gram of more than {self.order or MAX_ORDER} words, the order asked for"
        )
        return FormatError(f"{path}:{first_line + line}: {content[:80]!r} {what}")

    def _check_specials(self, path: PathLike, ids: np.ndarray, first: np.ndarray, line: np.ndarray) -> None:
        """`<s>` only begins n-grams and `</s>` only ends them."""
        inside = ids == BOS
        inside[first[:-1]] = False
        ending = ids == EOS
        ending[first[1:] - 1] = False
        bad = np.flatnonzero(inside | ending)
        if len(bad):
            row = int(np.searchsorted(first, bad[0], side="right")) - 1
            raise FormatError(f"{path}:{line[row]}: <s> can only begin an n-gram, and </s> can only end one")


def _numbered(path: PathLike) -> Iterator[tuple[bytes, int]]:
    """Chunks of whole lines, each with the number of its first line."""
    line = 1
    for chunk in read_line_chunks(path):
        yield chunk, line
        line += chunk.count(b"\n")
