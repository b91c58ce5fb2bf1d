"""A slow, strict reader of exact `.lmx` files: every array walked with dictionaries; checksums are not looked at."""

from __future__ import annotations

import json
import math
import struct
from itertools import pairwise

import numpy as np
from naive_arpa import SPECIALS, BackoffTable, Refused


def arrays_of(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an artefact by name."""
    length = struct.unpack("<I", content[12:16])[0]
    header = json.loads(content[24 : 24 + length])
    found = {}
    for row in header["arrays"]:
        count, start = math.prod(row["shape"]), 24 + length + row["offset"]
        found[row["name"]] = np.frombuffer(content, "<" + row["dtype"], count, start)
    return found


def read(content: bytes) -> BackoffTable:
    """The model, in natural logarithms; raises Refused if the arrays are not what `lmmix.ngram.tree` says."""
    arrays = arrays_of(content)
    pool, bounds = arrays["vocab_pool"].tobytes(), arrays["vocab_begin"].tolist()
    words = [pool[lo:hi].decode() for lo, hi in pairwise(bounds)]
    if (
        words[:3] != list(SPECIALS)
        or len(set(words)) != len(words)
        or "" in words
        or pool != b"".join(word.encode() for word in words)
    ):
        raise Refused("vocabulary")
    level, word, begin, suffix = (arrays[name].tolist() for name in ("level", "word", "begin", "suffix"))
    if level[:3] != [0, 1, 1 + len(words)] or sorted(level) != level or not len(word) == level[-1] == len(suffix):
        raise Refused("level")
    ngrams = _ngrams(words, level, word, begin)
    node_of = {ngram: node for node, ngram in enumerate(ngrams)}
    if len(node_of) != len(ngrams) or ngrams[1 : 1 + len(words)] != [(one,) for one in words]:
        raise Refused("n-grams")
    table = BackoffTable(len(level) - 2)
    logp, backoff = arrays["logp"].tolist(), arrays["backoff"].tolist()
    for node, ngram in enumerate(ngrams[1:], 1):
        known = next(ngram[i:] for i in range(1, len(ngram) + 1) if ngram[i:] in node_of)
        if suffix[node] != node_of[known] or not logp[node] <= 1e-6 or (ngram[-1] == "<s>" and logp[node] > -math.inf):
            raise Refused(f"{ngram}")
        table.logp[ngram] = logp[node]
    for ngram, value in zip(ngrams, backoff):
        if not value <= 99.001 * math.log(10):
            raise Refused(f"{ngram}: back-off")
        table.backoff[ngram] = value
    return table


def _ngrams(words: list[str], level: list[int], word: list[int], begin: list[int]) -> list[tuple[str, ...]]:
    """The n-gram of every node; each must be the child of exactly one."""
    ngrams: list[tuple[str, ...]] = [()]
    for node in range(level[-2]):
        if begin[node] != len(ngrams):
            raise Refused(f"begin {node}")
        last = -1
        for child in range(begin[node], begin[node + 1]):
            if not last < word[child] < len(words):
                raise Refused(f"word {child}")
            last = word[child]
            ngrams.append((*ngrams[node], words[last]))
    if [len(ngram) for ngram in ngrams] != np.repeat(range(len(level) - 1), np.diff(level)).tolist():
        raise Refused("orders")
    return ngrams
