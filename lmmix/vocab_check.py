"""Vocabularies in the arrays of files, and whether they are what kernels may trust."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmmix import _text_kernels as text_kernels
from lmmix.artefact import refuse_places
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.tokenize import is_full_name
from lmmix.vocab import SPACE, SPECIALS, Vocab, table_slots


def stored_vocab(path: PathLike, meta: dict[str, Any], arrays: dict[str, np.ndarray], full: bool) -> Vocab:
    """The vocabulary in the arrays of a file; `full` looks at every word.

    `meta` has the fields tokenizer and fingerprint, `arrays` vocab_pool and vocab_begin. Raises FormatError.
    """
    check_vocab(path, arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"], full)
    vocab = Vocab(arrays["vocab_pool"], arrays["vocab_begin"], meta["tokenizer"])
    vocab.fingerprint = meta["fingerprint"]
    return vocab


def check_vocab(path: PathLike, pool: np.ndarray, begin: np.ndarray, tokenizer: str, full: bool) -> None:
    """Raise FormatError unless `pool` and `begin` (see `lmmix.vocab.Vocab`) hold words, the special ones first."""
    if not is_full_name(tokenizer):
        raise FormatError(f"{path}: header field meta.tokenizer is {tokenizer[:60]!r}, which is none")
    first = [len("".join(SPECIALS[:i])) for i in range(len(SPECIALS) + 1)]
    if begin[: len(first)].tolist() != first or pool[: first[-1]].tobytes() != "".join(SPECIALS).encode():
        raise FormatError(f"{path}: array 'vocab_begin' does not begin with the words {' '.join(SPECIALS)}")
    if begin[-1] != len(pool):
        raise FormatError(
            f"{path}: array 'vocab_begin' ends with {begin[-1]}, but there are {len(pool)} bytes of words"
        )
    refuse_places(path, "vocab_begin", begin[1:] <= begin[:-1], "a word is empty")
    if not full:
        return
    content = pool.tobytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: array 'vocab_pool' is wrong at {error.start}: not UTF-8") from None
    refuse_places(path, "vocab_begin", (pool[begin[:-1]] & 0xC0) == 0x80, "a word begins inside a character")
    if space := SPACE.search(text):
        place = len(text[: space.start()].encode())
        raise FormatError(f"{path}: array 'vocab_pool' is wrong at {place}: white space in a word")
    words = len(begin) - 1
    twice = text_kernels._fill_table(pool, begin, words, np.full(table_slots(words), -1, np.int32))
    if twice >= 0:
        raise FormatError(f"{path}: array 'vocab_begin' is wrong at {twice}: the word is there twice")


def check_fingerprint(path: PathLike, vocab: Vocab) -> None:
    """Raise FormatError unless the fingerprint that a file gave `vocab` is that of its words; sorts them."""
    own = Vocab(vocab.pool, vocab.begin, vocab.tokenizer).fingerprint
    if own != vocab.fingerprint:
        raise FormatError(
            f"{path}: header field meta.fingerprint is {vocab.fingerprint!r}, but that of the words is {own!r}"
        )
