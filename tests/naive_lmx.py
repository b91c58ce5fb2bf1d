"""Slow, strict readers of `.lmx` files: every array walked with dictionaries; checksums are not looked at."""

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
    words = _words(arrays)
    level, word, begin, suffix = (arrays[name].tolist() for name in ("level", "word", "begin", "suffix"))
    if level[:3] != [0, 1, 1 + len(words)] or sorted(level) != level or not len(word) == level[-1] == len(suffix):
        raise Refused("level")
    ngrams = _ngrams(words, level, word, begin)
    node_of = {ngram: node for node, ngram in enumerate(ngrams)}
    if len(node_of) != len(ngrams) or ngrams[1 : 1 + len(words)] != [(one,) for one in words]:
        raise Refused("n-grams")
    for node, ngram in enumerate(ngrams[1:], 1):
        known = next(ngram[i:] for i in range(1, len(ngram) + 1) if ngram[i:] in node_of)
        if suffix[node] != node_of[known]:
            raise Refused(f"{ngram}")
    return _table(len(level) - 2, ngrams, arrays["logp"].tolist(), arrays["backoff"].tolist())


def _table(order: int, ngrams: list[tuple[str, ...]], logp: list[float], backoff: list[float]) -> BackoffTable:
    """The model of n-grams in order of their nodes; node 0 is the empty one."""
    table = BackoffTable(order)
    for ngram, value in zip(ngrams[1:], logp[1:]):
        if not value <= 1e-6 or (ngram[-1] == "<s>" and value > -math.inf):
            raise Refused(f"{ngram}")
        table.logp[ngram] = value
    for ngram, value in zip(ngrams, backoff):
        if not value <= 99.001 * math.log(10):
            raise Refused(f"{ngram}: back-off")
        table.backoff[ngram] = value
    return table


def _words(arrays: dict[str, np.ndarray]) -> list[str]:
    pool, bounds = arrays["vocab_pool"].tobytes(), arrays["vocab_begin"].tolist()
    words = [pool[lo:hi].decode() for lo, hi in pairwise(bounds)]
    if (
        words[:3] != list(SPECIALS)
        or len(set(words)) != len(words)
        or "" in words
        or pool != b"".join(word.encode() for word in words)
    ):
        raise Refused("vocabulary")
    return words


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


COLUMNS = 12
# Columns of the layout of a packed file.
RANKS, ENDS, LOGP, BACKOFF = 1, 3, 6, 9


def read_packed(content: bytes) -> BackoffTable:
    """The model in a packed file, as `read`; the directory of the children is not looked at."""
    arrays = arrays_of(content)
    words, values = _words(arrays), arrays["values"].tolist()
    layout = arrays["layout"].reshape(-1, COLUMNS).tolist()
    bits = "".join(format(int(word), "064b")[::-1] for word in arrays["bits"].view(np.uint64))
    level = [row[0] for row in layout]
    if level[:3] != [0, 1, 1 + len(words)] or sorted(level) != level or any(min(row) < 0 for row in layout):
        raise Refused("level")
    ngrams: list[tuple[str, ...]] = [(), *((word,) for word in words)]
    children = {(): words}
    logp, backoff = [0.0], [0.0]
    for n in range(1, len(layout) - 1):
        nodes = range(level[n], level[n + 1])
        logp += _numbers(bits, values, layout[n][LOGP:], len(nodes))
        if n == len(layout) - 2:
            break
        backoff += _numbers(bits, values, layout[n][BACKOFF:], len(nodes))
        stop = level[n + 2] - level[n]
        start = 64 * layout[n][ENDS]
        *sizes, rest = bits[start : start + stop].split("1")
        if len(sizes) != len(nodes) or rest or "1" in bits[start + stop : start + stop + -stop % 64]:
            raise Refused(f"ends of order {n}")
        ranks = iter(_integers(bits, layout[n + 1][RANKS], layout[n + 1][RANKS + 1], level[n + 2] - level[n + 1]))
        for node, zeros in zip(nodes, sizes):
            context = ngrams[node]
            children[context] = [children[context[1:]][next(ranks)] for _ in zeros]
            if [words.index(word) for word in children[context]] != sorted({*map(words.index, children[context])}):
                raise Refused(f"{context}")
            ngrams += [(*context, word) for word in children[context]]
    return _table(len(level) - 2, ngrams, logp, backoff)


def _integers(bits: str, start: int, width: int, count: int) -> list[int]:
    fields = [bits[at : at + width] for at in range(start, start + count * width, width)] if width else [""] * count
    if any(len(field) < width for field in fields):
        raise Refused("bits")
    return [int(field[::-1] or "0", 2) for field in fields]


def _numbers(bits: str, values: list[float], columns: list[int], count: int) -> list[float]:
    """Log-probabilities or back-offs of an order; `columns` are first bit, width and place of the values."""
    start, width, place = columns[:3]
    return [values[place + code] for code in (_integers(bits, start, width, count) if width else range(count))]
