"""A slow, strict reader of ARPA files, written from the rules in `lmmix.ngram.arpa`, with dictionaries."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import re
from pathlib import Path

Ngram = tuple[str, ...]

SPECIALS = ("<unk>", "<s>", "</s>")
BLANK = " \t\v\f\r\0"
NUMBER = re.compile(r"[+-]?(inf|nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", re.ASCII | re.IGNORECASE)
COUNT = re.compile(rf"ngram[{BLANK}]+(\d+)[{BLANK}]*=[{BLANK}]*(\d+)", re.ASCII)


class Refused(Exception):
    """The file is not to be accepted."""


class BackoffTable:
    """n-grams with log-probabilities and back-offs, in whatever base; `order` is that of the model."""

    def __init__(self, order: int) -> None:
        self.order = order
        self.logp: dict[Ngram, float] = {}
        self.backoff: dict[Ngram, float] = {}

    def score(self, word: str, history: Ngram) -> float:
        """log p of `word`, which may be unknown, after the last order − 1 words of `history`."""
        known = [self.known(one) for one in (*history, word)]
        return self._score(known[-1], tuple(known[max(0, len(known) - self.order) : -1]))

    def known(self, word: str) -> str:
        """The word itself, or `<unk>`."""
        return word if word in SPECIALS or (word,) in self.logp else "<unk>"

    def _score(self, word: str, history: Ngram) -> float:
        if (*history, word) in self.logp:
            return self.logp[(*history, word)]
        if not history:
            return -math.inf
        return self.backoff.get(history, 0.0) + self._score(word, history[1:])


def decompressed(path: Path) -> bytes:
    """The content of a file, by suffix; whatever is wrong with it raises Refused."""
    content = path.read_bytes()
    opener = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}.get(path.suffix)
    try:
        return opener(content) if opener else content
    except Exception as error:
        raise Refused(f"compressed data: {error}") from None


def read(content: bytes) -> BackoffTable:
    """The model in an ARPA file, log10; raises Refused for what lmmix promises to refuse."""
    if not content or b"\0" in content[:4096]:
        raise Refused("no text")
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        raise Refused(str(error)) from None
    lines = [line.strip(BLANK) for line in text.split("\n")]
    if "\\data\\" not in lines:
        raise Refused("no \\data\\")
    del lines[: lines.index("\\data\\") + 1]
    announced = _announced(lines)
    table = BackoffTable(len(announced))
    for order, count in enumerate(announced, 1):
        rows = _section(lines, order)
        if len(rows) != count:
            raise Refused(f"{len(rows)} {order}-grams, not {count}")
        if order == 1:
            rows, renamed = _with_unk(rows)
        elif renamed:
            rows = [["<unk>" if 1 <= i <= order and one == "<UNK>" else one for i, one in enumerate(r)] for r in rows]
        _add(table, rows, order)
    if _marker(lines) != "\\end\\":
        raise Refused("no \\end\\")
    for ngram in table.logp:
        if ngram[-1] == "<s>":
            table.logp[ngram] = -math.inf
    return table


def _announced(lines: list[str]) -> list[int]:
    counts: list[int] = []
    while lines and not lines[0].startswith("\\"):
        line = lines.pop(0)
        if not line:
            continue
        match = COUNT.fullmatch(line)
        if not match or match[1].lstrip("0") != str(len(counts) + 1):
            raise Refused(f"header: {line!r}")
        counts.append(int(match[2][-4000:]) if len(match[2].lstrip("0")) < 20 else 10**20)
    if not counts or sum(counts) > 2**31 - 1 or len(counts) > 1000:
        raise Refused("header")
    return counts


def _marker(lines: list[str]) -> str | None:
    while lines:
        if line := lines.pop(0):
            return line
    return None


def _section(lines: list[str], order: int) -> list[list[str]]:
    if _marker(lines) != f"\\{order}-grams:":
        raise Refused(f"no section {order}")
    rows = []
    while lines and not lines[0].startswith("\\"):
        fields = [field for field in re.split(f"[{BLANK}]+", lines.pop(0)) if field]
        if not fields:
            continue
        if len(fields) not in (order + 1, order + 2) or not NUMBER.fullmatch(fields[0]):
            raise Refused(f"{fields}")
        if len(fields) == order + 2 and not NUMBER.fullmatch(fields[-1]):
            raise Refused(f"{fields}")
        rows.append(fields)
    return rows


def _with_unk(rows: list[list[str]]) -> tuple[list[list[str]], bool]:
    words = [row[1] for row in rows]
    if len(set(words)) < len(words):
        raise Refused("a word twice")
    if not rows:
        raise Refused("no unigrams")
    renamed = "<unk>" not in words and "<UNK>" in words
    if renamed:
        rows = [[row[0], "<unk>", *row[2:]] if row[1] == "<UNK>" else row for row in rows]
    return rows, renamed


def _add(table: BackoffTable, rows: list[list[str]], order: int) -> None:
    for row in rows:
        ngram, value = tuple(row[1 : order + 1]), float(row[0])
        if order > 1:
            for word in ngram:
                if word not in SPECIALS and (word,) not in table.logp:
                    raise Refused(f"{ngram}: unknown word")
            context = ngram[:-1]
            if context not in table.logp and context not in [(word,) for word in SPECIALS]:
                raise Refused(f"{ngram}: no context")
            if context not in table.backoff and not (context == ("<s>",) and context not in table.logp):
                raise Refused(f"{context}: no back-off")
        if ngram in table.logp:
            raise Refused(f"{ngram}: twice")
        if not value <= 0:
            raise Refused(f"{ngram}: {value}")
        table.logp[ngram] = value if value > -99 else -math.inf
        if len(row) == order + 2 and order < table.order:
            backoff = float(row[-1])
            if not backoff <= 99:
                raise Refused(f"{ngram}: back-off {backoff}")
            table.backoff[ngram] = backoff if backoff > -99 else -math.inf
