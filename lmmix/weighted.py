"""Texts whose lines have weights: a line of weight 2.5 counts two and a half times, one of weight 0 not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lmmix.corpus import Corpus, joined
from lmmix.encode import Encoder
from lmmix.errors import FormatError, InputError
from lmmix.fileio import PathLike, read_line_chunks, read_text_lines
from lmmix.progress import task
from lmmix.vocab import Vocab

_NEWLINE, _SPACE = 10, 32


def read_weights(path: PathLike) -> np.ndarray:
    """(L,) float64: the weights in a file with one number, finite and not negative, a line.

    Raises FormatError with the line of anything else, empty lines included.
    """
    weights = np.fromiter((_weight(path, number, line) for number, line in read_text_lines(path)), np.float64)
    if not len(weights):
        raise FormatError(f"{path}: no weight in it; it needs one number for each line of the text")
    return weights


def _weight(path: PathLike, number: int, line: str) -> float:
    try:
        weight = float(line)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise FormatError(f"{path}:{number}: {line[:60]!r} is no weight; a line holds one number, 0 or more")
    return weight


def read_weighted_corpus(
    paths: Sequence[PathLike],
    weights: PathLike,
    vocab: Vocab | None = None,
    *,
    tokenizer: str | None = None,
    errors: str = "strict",
    replace_specials: bool = False,
    threads: int | None = None,
) -> tuple[Corpus, np.ndarray]:
    """Texts read as one corpus, and (S,) float64 the weight of each of its sentences, above 0.

    `weights` is a file with one weight for each line of all texts together, empty lines included. Lines of weight 0
    are read as if they were empty. The other parameters are those of `lmmix.corpus.read_corpus`; without `vocab`
    words are ranked by how often they occur, whatever the weights.

    Raises FormatError for a bad weight, InputError for another number of weights than lines, and as `read_corpus`.
    """
    weight = read_weights(weights)
    encoder = Encoder(vocab, tokenizer, errors, replace_specials, keep_empty_lines=True)
    weeds = _Weeds(weight)
    for path in paths:
        with task(f"reading {path}") as advance:
            for chunk_bytes in encoder.encode(path, map(weeds.blanked, read_line_chunks(path)), threads):
                advance(chunk_bytes)
    corpus = joined(encoder)
    if corpus.n_sentences != len(weight):
        raise InputError(
            f"{weights}: has {len(weight)} weights, but {', '.join(map(str, paths))} have {corpus.n_sentences} lines; "
            "every line needs one, empty lines too"
        )
    return _without_empty_sentences(corpus, weight, weights)


class _Weeds:
    """Takes lines of weight 0 out of the chunks of all texts, one after the other."""

    def __init__(self, weight: np.ndarray) -> None:
        self.dropped = weight == 0
        self.line = 0

    def blanked(self, chunk: bytes) -> bytes:
        """The next lines, those of weight 0 with blanks for all their bytes; lines beyond the weights stay."""
        lines = chunk.count(b"\n")
        dropped = self.dropped[self.line : self.line + lines]
        self.line += lines
        if not dropped.any():
            return chunk
        data = np.frombuffer(bytearray(chunk), np.uint8)
        ends = np.flatnonzero(data == _NEWLINE)[: len(dropped)]
        within = data[: ends[-1] + 1]
        within[np.repeat(dropped, np.diff(ends, prepend=-1)) & (within != _NEWLINE)] = _SPACE
        return data.tobytes()


def _without_empty_sentences(corpus: Corpus, weight: np.ndarray, source: PathLike) -> tuple[Corpus, np.ndarray]:
    lengths = np.diff(corpus.offsets)
    kept = lengths > 1
    if not kept.any():
        raise InputError(f"{source}: no sentence to read: every line is empty or has weight 0")
    events = np.repeat(kept, lengths)
    offsets = np.append(0, np.cumsum(lengths[kept]))
    oov_at = (np.cumsum(events) - 1)[corpus.oov_at]
    empty = int((~kept).sum())
    return Corpus(corpus.ids[events], offsets, corpus.vocab, oov_at, empty, corpus.chars), weight[kept]
