"""Reading count files: text as SRILM and Google write it, and the binary `.lmc`; several are added up.

A line is the words of an n-gram and its count, parted by blanks or tabs, in any sequence, all orders in one file or
not. The same n-gram in several lines or files gets the sum of its counts. Words get ids in the order in which they
first appear; the files that `lmmix count` writes begin with the unigrams in order of id, so every id comes back.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lmmix.artefact import MAGIC
from lmmix.encode import WordTable
from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import COMPRESSED, PathLike, explain_errors, read_line_chunks
from lmmix.ngram.count_artefact import read_lmc
from lmmix.ngram.count_builder import CountRows, build_counts
from lmmix.ngram.count_lines import LineParser, known_ids
from lmmix.ngram.counts import MAX_ORDER, NgramCounts
from lmmix.parallel import thread_imap
from lmmix.progress import task
from lmmix.tokenize import same_tokens
from lmmix.vocab import Vocab

logger = logging.getLogger("lmmix")


def read_counts(
    paths: PathLike | Sequence[PathLike],
    vocab: Vocab | None = None,
    *,
    order: int | None = None,
    tokenizer: str | None = None,
    scales: Sequence[float] | None = None,
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
        Length of the longest n-grams; a longer one is an error, and a warning tells if there are none so long. By
        default that of the longest one found, or that with which a single `.lmc` was made.
    tokenizer : str, optional
        What made the tokens of a text file, which cannot say so itself; by default that of `vocab`, or white space.
    scales : sequence of float, optional
        One number above 0 for each of `paths`, with which its counts are multiplied before they are added up (count
        merging; Bacchiani, Riley, Roark & Sproat 2006, "MAP adaptation of stochastic grammars"). Counts that
        are no longer whole are those of weighted texts (see `lmmix.weighted`).
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
    factors = _checked_scales(scales, len(given))
    if len(given) == 1 and factors == [1.0] and vocab is None and _is_artefact(given[0]):
        counts, found = read_lmc(given[0])
        _check_tokenizer(given[0], found.tokenizer, tokenizer or found.tokenizer)
        if order in (None, counts.tree.order):
            return counts, found
    reader = _Reader(vocab, order, tokenizer, threads)
    for path, factor in zip(given, factors):
        for file in _files_of(path):
            reader.read(file, factor, google=os.path.isdir(path))
    rows = reader.rows()
    source = ", ".join(map(str, given))
    if not len(rows):
        raise InputError(f"{source}: no n-gram to read: only empty lines, or nothing")
    vocab = vocab or reader.words.in_order()
    return build_counts(rows, vocab, source, threads), vocab


def _checked_scales(scales: Sequence[float] | None, files: int) -> list[float]:
    factors = [1.0] * files if scales is None else [float(scale) for scale in scales]
    if len(factors) != files or not all(0 < factor < math.inf for factor in factors):
        raise SettingError(f"the scales are {factors}; there must be one for each of {files} count files, above 0")
    return factors


def _check_tokenizer(path: PathLike, found: str, wanted: str) -> None:
    if not same_tokens(found, wanted):
        raise EventSpaceError(f"{path}: its tokens are made by {found!r}, not by {wanted!r}")


def _check_order(path: PathLike, counts: NgramCounts, order: int | None) -> None:
    longest = max(n for n, number in enumerate(counts.tree.counts(), 1) if number)
    if order is not None and longest > order:
        raise FormatError(f"{path}: holds {longest}-grams; the order is {order}")


def _files_of(path: PathLike) -> list[PathLike]:
    """The file itself, or those of a folder of Google n-grams: 1gms/vocab.gz, 2gms/2gm-0001.gz, …"""
    if not os.path.isdir(path):
        return [path]
    root = Path(path)
    files = sorted([*root.glob("1gms/vocab.gz"), *root.glob("[2-9]gms/[2-9]gm-*.gz")])
    if not files:
        raise FormatError(f"{path}: a folder of counts holds 1gms/vocab.gz, 2gms/2gm-0001.gz, …; here is none of these")
    return list(files)


def _is_artefact(path: PathLike) -> bool:
    if os.fspath(path) == "-" or not os.path.isfile(path):
        return False
    with explain_errors(path, "read"), open(path, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


class _Reader:
    """Collects the n-grams of several files; without a given vocabulary also their words."""

    def __init__(self, vocab: Vocab | None, order: int | None, tokenizer: str | None, threads: int | None) -> None:
        self.parser = LineParser(vocab, order)
        self.order, self.threads = order, threads
        self.tokenizer = tokenizer or (vocab.tokenizer if vocab else None)
        self.words = WordTable(Vocab.from_words([], self.tokenizer or "whitespace"))
        self._parts: dict[int, list[CountRows]] = {}

    def rows(self) -> list[CountRows]:
        """What was read, by order from 1; none at all if there was nothing."""
        if not self._parts:
            return []
        if self.order and max(self._parts) < self.order:
            logger.warning("the order is %d, but the longest n-grams have %d words", self.order, max(self._parts))
        rows = []
        for n in range(1, (self.order or max(self._parts)) + 1):
            parts = self._parts.pop(n, [CountRows(np.zeros((0, n), np.int32), np.zeros(0))])
            ids = np.concatenate([part.ids for part in parts])
            rows.append(CountRows(ids, np.concatenate([part.count for part in parts])))
        return rows

    def read(self, path: PathLike, factor: float, google: bool) -> None:
        """Add the n-grams of one file, their counts multiplied with `factor`."""
        if _is_artefact(path):
            self._read_artefact(path, factor)
            return
        known = os.path.isfile(path) and not str(path).endswith(COMPRESSED)
        with task(f"reading {path}", os.path.getsize(path) if known else None) as advance:
            parsed = thread_imap(
                lambda item: self.parser.parse(path, *item, google), _numbered_chunks(path), self.threads
            )
            for chunk in parsed:
                ids = chunk.ids if chunk.words is None else self.words.add_all(chunk.words)[chunk.ids]
                self._add(ids, chunk.first, factor * chunk.count)
                advance(chunk.text_bytes)

    def _read_artefact(self, path: PathLike, factor: float) -> None:
        counts, words = read_lmc(path)
        if self.tokenizer is None and not self._parts:
            self.tokenizer = self.words.tokenizer = words.tokenizer
        _check_tokenizer(path, words.tokenizer, self.tokenizer or "whitespace")
        _check_order(path, counts, self.order)
        look_up = partial(known_ids, self.parser.vocab) if self.parser.vocab else self.words.add_words
        new_ids = look_up(words.pool, words.begin[:-1], words.begin[1:])
        tree = counts.tree
        ids = np.zeros((1, 0), np.int32)
        for n in range(1, tree.order + 1):
            nodes, contexts = tree.nodes(n), tree.nodes(n - 1)
            children = np.diff(tree.begin[contexts.start : contexts.stop + 1])
            ids = np.column_stack([np.repeat(ids, children, axis=0), new_ids[tree.word[nodes]]])
            self._parts.setdefault(n, []).append(CountRows(ids, factor * counts.count[nodes]))

    def _add(self, ids: np.ndarray, first: np.ndarray, count: np.ndarray) -> None:
        length = np.diff(first)
        for n in np.unique(length).tolist():
            rows = np.flatnonzero(length == n)
            of_order = ids.reshape(-1, n) if len(rows) == len(length) else ids[first[rows][:, None] + np.arange(n)]
            self._parts.setdefault(n, []).append(CountRows(of_order, count[rows]))


def _numbered_chunks(path: PathLike) -> Iterator[tuple[bytes, int]]:
    """Chunks of whole lines, each with the number of its first line."""
    line = 1
    for chunk in read_line_chunks(path):
        yield chunk, line
        line += chunk.count(b"\n")
