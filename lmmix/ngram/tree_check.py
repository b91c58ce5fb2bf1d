"""Whether the arrays of a model file are a tree of n-grams over a vocabulary, so that kernels may trust them.

Checksums tell damage; these checks tell a file that was written wrongly, and a damaged one whose checksums
nobody looked at. The short check touches a handful of places per order, whatever the size of the file, and where
each word begins; the full one reads everything.
"""

from __future__ import annotations

import numpy as np

from lmmix import _text_kernels as text_kernels
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.logmath import ARPA_LOG_ZERO, LN10
from lmmix.ngram.tree import MAX_NODES, MAX_ORDER, NgramTree
from lmmix.tokenize import is_full_name
from lmmix.vocab import BOS, SPACE, SPECIALS, table_slots

MOST_LOGP = 1e-6
"""Rounding may put the logarithm of a probability of 1 this far above 0."""

MOST_BACKOFF = -ARPA_LOG_ZERO * LN10 + 1e-6
"""No back-off weight is larger, as in ARPA files; far larger ones would overflow."""


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
    _refuse(path, "vocab_begin", begin[1:] <= begin[:-1], "a word is empty")
    if not full:
        return
    content = pool.tobytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: array 'vocab_pool' is wrong at {error.start}: not UTF-8") from None
    _refuse(path, "vocab_begin", (pool[begin[:-1]] & 0xC0) == 0x80, "a word begins inside a character")
    if space := SPACE.search(text):
        place = len(text[: space.start()].encode())
        raise FormatError(f"{path}: array 'vocab_pool' is wrong at {place}: white space in a word")
    words = len(begin) - 1
    twice = text_kernels._fill_table(pool, begin, words, np.full(table_slots(words), -1, np.int32))
    if twice >= 0:
        raise FormatError(f"{path}: array 'vocab_begin' is wrong at {twice}: the word is there twice")


def check_tree(path: PathLike, tree: NgramTree, logp: np.ndarray, backoff: np.ndarray, words: int, full: bool) -> None:
    """Raise FormatError, naming array and place, unless these arrays are a back-off model over `words` words.

    Always: sizes, levels, and where the children of each order begin. With `full` also: words ascend within each
    context, children follow one another, every suffix is the longest known one, probabilities are at most 1 and
    that of `<s>` is 0, no number is nan.
    """
    check_structure(path, tree, words, full)
    for name, array, size in (("logp", logp, tree.size), ("backoff", backoff, int(tree.level[-2]))):
        _check_size(path, name, array, size)
    if full:
        _check_numbers(path, tree, logp, backoff)


def check_structure(path: PathLike, tree: NgramTree, words: int, full: bool) -> None:
    """The part of `check_tree` that concerns the tree alone."""
    _check_levels(path, tree, words)
    contexts = int(tree.level[-2])
    for name, array, size in (
        ("word", tree.word, tree.size), ("suffix", tree.suffix, tree.size), ("begin", tree.begin, contexts + 1),
    ):  # fmt: skip
        _check_size(path, name, array, size)
    starts = tree.begin[tree.level[:-1]]
    _refuse(path, "begin", starts != tree.level[1:], "an order does not begin where 'level' says", tree.level[:-1])
    if full:
        _check_words(path, tree, words)
        _check_suffixes(path, tree)


def _check_size(path: PathLike, name: str, array: np.ndarray, size: int) -> None:
    if len(array) != size:
        raise FormatError(f"{path}: array {name!r} has {len(array)} places; 'level' asks for {size}")


def _check_levels(path: PathLike, tree: NgramTree, words: int) -> None:
    level = tree.level
    if len(level) > MAX_ORDER + 2:
        raise FormatError(f"{path}: array 'level' says order {tree.order}; at most {MAX_ORDER} is possible")
    if len(level) < 3 or level[:3].tolist() != [0, 1, 1 + words]:
        raise FormatError(f"{path}: array 'level' begins with {level[:3].tolist()}, not with {[0, 1, 1 + words]}")
    _refuse(path, "level", level[1:] < level[:-1], "it descends")
    _refuse(path, "level", level > MAX_NODES, "there are too many n-grams")


def _check_words(path: PathLike, tree: NgramTree, words: int) -> None:
    word, begin = tree.word, tree.begin
    _refuse(path, "begin", begin[1:] < begin[:-1], "the children of a context end before they begin")
    _refuse(path, "word", (word < 0) | (word >= words), f"it is not one of {words} words")
    descends = np.append(word[1:] <= word[:-1], False)
    # Places before the first child of a context may descend.
    descends[begin[begin > 0] - 1] = False
    _refuse(path, "word", descends, "the words behind a context do not ascend")


def _check_suffixes(path: PathLike, tree: NgramTree) -> None:
    """Most suffixes are children of the suffix of the context; where one is not, all are linked anew and compared."""
    word, begin, suffix, unigrams = tree.word, tree.begin, tree.suffix, tree.nodes(1)
    _refuse(path, "suffix", (suffix < 0) | (suffix > np.arange(-1, tree.size - 1).clip(0)), "it is not a node before")
    _refuse(path, "suffix", suffix[unigrams] != 0, "that of a word is not the empty context", 1)
    parent = np.repeat(np.arange(1, len(begin) - 1), np.diff(begin[1:]))
    above, own = suffix[parent], suffix[unigrams.stop :]
    usual = (begin[above] <= own) & (own < begin[above + 1]) & (word[own] == word[unigrams.stop :])
    if usual.all():
        return
    from lmmix.ngram import _query_kernels as kernels

    linked = np.zeros(tree.size, np.int32)
    for order in range(2, tree.order + 1):
        first, stop = (int(tree.level[n]) - unigrams.stop for n in (order, order + 1))
        kernels._link_suffixes(
            word, begin, linked, parent[first:stop], first + unigrams.stop, np.empty(stop - first, np.int32)
        )
    _refuse(path, "suffix", suffix != linked, "it is not the longest n-gram without the first word")


def _check_numbers(path: PathLike, tree: NgramTree, logp: np.ndarray, backoff: np.ndarray) -> None:
    _refuse(path, "logp", ~(logp[1:] <= MOST_LOGP), "it is no log-probability", 1)
    _refuse(path, "logp", (tree.word[1:] == BOS) & (logp[1:] > -np.inf), "<s> has a probability", 1)
    _refuse(path, "backoff", ~(backoff <= MOST_BACKOFF), "it is nan, infinite or too large")


def _refuse(path: PathLike, array: str, wrong: np.ndarray, why: str, places: int | np.ndarray = 0) -> None:
    """Raise FormatError at the first True of `wrong`; `places` are its places in the array, or the first of them."""
    if not wrong.any():
        return
    row = int(wrong.argmax())
    place = int(places[row]) if isinstance(places, np.ndarray) else places + row
    raise FormatError(f"{path}: array {array!r} is wrong at place {place}: {why}")
