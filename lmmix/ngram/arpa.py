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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmmix import _text_kernels
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.ngram.arpa_text import BLANKS, ArpaText, Stretch
from lmmix.ngram.backoff import BackoffModel
from lmmix.ngram.tree import MAX_NODES, MAX_ORDER
from lmmix.ngram.tree_builder import Problems, Rows, Section, TreeBuilder
from lmmix.progress import task
from lmmix.vocab import SPECIALS, UNK, Vocab

logger = logging.getLogger("lmmix")

_ANNOUNCED = re.compile(rf"ngram[{BLANKS}]+0*([0-9]{{1,18}})[{BLANKS}]*=[{BLANKS}]*0*([0-9]{{1,18}})")
_OTHER_UNK = "<UNK>"


def read_arpa(
    path: PathLike, repair: bool = False, tokenizer: str = "whitespace", threads: int | None = None
) -> BackoffModel:
    """The back-off model in an ARPA file.

    Parameters
    ----------
    path : path
        Plain or compressed by suffix; ``-`` is standard input.
    repair : bool
        Mend what is wrong instead of raising, and log what was done.
    tokenizer : str
        What made the tokens; the file does not say so itself.
    threads : int, optional
        Default: all cores. The model does not depend on it.

    Raises FormatError with file and line, InputError.
    """
    problems = Problems(str(path), repair)
    text = ArpaText(path, threads)
    announced = _read_header(text)
    with task(f"reading {path}", len(announced)) as advance:
        vocab, unigrams = _read_unigrams(text, tokenizer)
        builder = TreeBuilder(vocab, len(announced), unigrams, problems, threads)
        _check_count(announced, 1, len(unigrams.ids), problems)
        advance(1)
        for order in range(2, len(announced) + 1):
            parts = _read_section(text, order, builder)
            _check_count(announced, order, sum(len(rows.word) for rows in parts), problems)
            builder.add(parts, order)
            advance(1)
    if text.marker() != "\\end\\":
        problems.found(f":{text.number}", "\\end\\ is missing: is the file truncated?", "end of file taken as the end")
    text.drain()
    model = builder.finish(Path(str(path)).name)
    problems.log()
    return model


def _check_count(announced: list[int], order: int, found: int, problems: Problems) -> None:
    if found != announced[order - 1]:
        what = f"the header says ngram {order}={announced[order - 1]}, but there are {found}"
        problems.found("", what, "counts taken from the file")


def _read_header(text: ArpaText) -> list[int]:
    """The number of n-grams of each order that the header announces."""
    first = text.peek()
    while (line := text.peek()) is not None and line != "\\data\\":
        text.skip()
    if line is None:
        start = f"its first line is {first[:60]!r}" if first else "it is empty"
        raise FormatError(f"{text.path}: not an ARPA file: there is no line \\data\\ ({start})")
    text.skip()
    counts: list[int] = []
    while (line := text.peek()) is not None and not line.startswith("\\"):
        match = _ANNOUNCED.fullmatch(line)
        if line and (match is None or int(match[1]) != len(counts) + 1):
            raise FormatError(f"{text.path}:{text.number}: {line[:60]!r} is not 'ngram {len(counts) + 1}=COUNT'")
        if match:
            counts.append(int(match[2]))
        if len(counts) > MAX_ORDER or sum(counts) > MAX_NODES:
            raise FormatError(
                f"{text.path}:{text.number}: the header announces order {len(counts)} and {sum(counts)} n-grams; a "
                f"model can hold order {MAX_ORDER} and {MAX_NODES}"
            )
        text.skip()
    if not counts:
        raise FormatError(f"{text.path}:{text.number}: the header announces no n-grams")
    return counts


def _read_unigrams(text: ArpaText, tokenizer: str) -> tuple[Vocab, Section]:
    """The vocabulary, ids in the order of the file behind the special ones, and the unigrams."""
    words: list[str] = []
    parts = []
    for first, stretch in text.section(1, lambda stretch: (stretch, False)):
        words += [stretch.chunk.text[a:b].decode() for a, b in zip(stretch.lo[:, 0], stretch.hi[:, 0])]
        parts.append((stretch.log10p, stretch.log10bow, first + stretch.line_of))
    if not words:
        raise FormatError(f"{text.path}:{text.number}: there are no unigrams")
    log10p, log10bow, line = (np.concatenate(arrays) for arrays in zip(*parts))
    seen = set(words)
    if len(seen) < len(words):
        earlier: set[str] = set()
        row = next(i for i, word in enumerate(words) if word in earlier or earlier.add(word))  # type: ignore[func-returns-value]
        raise FormatError(f"{text.path}:{line[row]}: the word {words[row]!r} is there twice")
    if SPECIALS[UNK] not in seen and _OTHER_UNK in seen:
        words[words.index(_OTHER_UNK)] = SPECIALS[UNK]
        seen.add(SPECIALS[UNK])
        text.unk = _OTHER_UNK
    for special in SPECIALS:
        if special not in seen:
            logger.warning("%s: %s is missing; it gets probability 0", text.path, special)
    vocab = Vocab.from_words(words, tokenizer)
    return vocab, Section(_unigram_ids(words)[:, None], log10p, log10bow, line)


def _unigram_ids(words: list[str]) -> np.ndarray:
    """(words,) int32: the ids that `Vocab.from_words` gives, the special words first, the others in their order."""
    special = {words.index(word): i for i, word in enumerate(SPECIALS) if word in words}
    others = np.ones(len(words), bool)
    others[list(special)] = False
    ids = len(SPECIALS) - 1 + np.cumsum(others, dtype=np.int32)
    ids[list(special)] = list(special.values())
    return ids


@dataclass
class _LookedUp:
    """The n-grams of a stretch whose words are all unigrams; how many are not, and line and word of the first."""

    rows: Rows
    lost: int = 0
    line: int = 0
    word: str = ""


def _read_section(text: ArpaText, order: int, builder: TreeBuilder) -> list[Rows]:
    """The n-grams of one order, in parts."""
    parts = []
    for first, found in text.section(order, lambda stretch: _looked_up(stretch, text.unk, builder)):
        if found.lost:
            what, cure = f"the word {found.word!r} is no unigram", "n-grams with unknown words left out"
            builder.problems.found(f":{first + found.line}", what, cure, found.lost)
        found.rows.line += first
        parts.append(found.rows)
    return parts


def _looked_up(stretch: Stretch, unk: str, builder: TreeBuilder) -> tuple[_LookedUp, bool]:
    """The n-grams with their contexts, and whether all words are spelled as in the vocabulary."""
    lo, hi, vocab = stretch.lo, stretch.hi, builder.vocab
    ids = np.empty(lo.shape, np.int32)
    _text_kernels._look_up(
        stretch.chunk.data, lo.reshape(-1), hi.reshape(-1), vocab.pool, vocab.begin, vocab.table, ids.reshape(-1)
    )
    if (ids >= 0).all():
        return _LookedUp(builder.rows(Section(ids, stretch.log10p, stretch.log10bow, stretch.line_of))), True
    ids[_spelled(stretch, ids, unk)] = UNK
    known = (ids >= 0).all(axis=1)
    section = Section(ids[known], stretch.log10p[known], stretch.log10bow[known], stretch.line_of[known])
    found = _LookedUp(builder.rows(section))
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        column = int(np.flatnonzero(ids[row] < 0)[0])
        found.lost, found.line = int((~known).sum()), int(stretch.line_of[row])
        found.word = stretch.chunk.text[lo[row, column] : hi[row, column]].decode(errors="replace")
    return found, False


def _spelled(stretch: Stretch, ids: np.ndarray, unk: str) -> tuple[np.ndarray, np.ndarray]:
    """Where among the words that were not found the file's own spelling of `<unk>` stands."""
    rows, columns = np.nonzero(ids < 0)
    places = zip(stretch.lo[rows, columns], stretch.hi[rows, columns])
    keep = np.array([stretch.chunk.text[lo:hi] == unk.encode() for lo, hi in places], bool)
    return rows[keep], columns[keep]
