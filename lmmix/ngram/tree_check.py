"""Whether the arrays of a model file are a tree of n-grams over a vocabulary, so that kernels may trust them.

Checksums tell damage; these checks tell a file that was written wrongly, and a damaged one whose checksums
nobody looked at. The short check touches a handful of places per order, whatever the size of the file, and where
each word begins; the full one reads everything.
"""

from __future__ import annotations

import numpy as np

from lmmix.artefact import refuse_places
from lmmix.errors import FormatError
from lmmix.fileio import PathLike
from lmmix.logmath import ARPA_LOG_ZERO, LN10
from lmmix.ngram.tree import MAX_NODES, MAX_ORDER, NgramTree
from lmmix.vocab import BOS

MOST_LOGP = 1e-6
"""Rounding may put the logarithm of a probability of 1 this far above 0."""

MOST_BACKOFF = -ARPA_LOG_ZERO * LN10 + 1e-6
"""No back-off weight is larger, as in ARPA files; far larger ones would overflow."""


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
    refuse_places(
        path, "begin", starts != tree.level[1:], "an order does not begin where 'level' says", tree.level[:-1]
    )
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
    refuse_places(path, "level", level[1:] < level[:-1], "it descends")
    refuse_places(path, "level", level > MAX_NODES, "there are too many n-grams")


def _check_words(path: PathLike, tree: NgramTree, words: int) -> None:
    word, begin = tree.word, tree.begin
    refuse_places(path, "begin", begin[1:] < begin[:-1], "the children of a context end before they begin")
    refuse_places(path, "word", (word < 0) | (word >= words), f"it is not one of {words} words")
    descends = np.append(word[1:] <= word[:-1], False)
    # Places before the first child of a context may descend.
    descends[begin[begin > 0] - 1] = False
    refuse_places(path, "word", descends, "the words behind a context do not ascend")


def _check_suffixes(path: PathLike, tree: NgramTree) -> None:
    """Most suffixes are children of the suffix of the context; where one is not, all are linked anew and compared."""
    word, begin, suffix, unigrams = tree.word, tree.begin, tree.suffix, tree.nodes(1)
    refuse_places(
        path, "suffix", (suffix < 0) | (suffix > np.arange(-1, tree.size - 1).clip(0)), "it is not a node before"
    )
    refuse_places(path, "suffix", suffix[unigrams] != 0, "that of a word is not the empty context", 1)
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
    refuse_places(path, "suffix", suffix != linked, "it is not the longest n-gram without the first word")


def _check_numbers(path: PathLike, tree: NgramTree, logp: np.ndarray, backoff: np.ndarray) -> None:
    refuse_places(path, "logp", ~(logp[1:] <= MOST_LOGP), "it is no log-probability", 1)
    refuse_places(path, "logp", (tree.word[1:] == BOS) & (logp[1:] > -np.inf), "<s> has a probability", 1)
    refuse_places(path, "backoff", ~(backoff <= MOST_BACKOFF), "it is nan, infinite or too large")
