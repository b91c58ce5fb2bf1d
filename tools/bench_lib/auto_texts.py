"""The texts that ways of mixing are compared on: stretches to train on, to find mixtures on and to test on."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

from bench_lib.texts import sentences_of

PLACES = 6
"""Stretches of the novels, which hold 206 books in a row."""

LIMIT = 30_000
"""Words of held-out and test texts at most."""


class Texts(NamedTuple):
    """Lines, a sentence (a paragraph in WikiText-2) each."""

    train: list[str]
    held: list[str]
    test: list[str]


def texts_in(folder: Path) -> dict[str, Texts]:
    """All texts of the data folder by name."""
    found = {name: _in_three_files(folder / name) for name in ("ptb", "wikitext-2", "commonvoice")}
    found["zh"] = _cut(_lines(folder / "zh" / "pd199801.seg.txt.gz"), 0.8, 0.9)
    found["earnest"] = _cut([line.lower() for line in _lines(folder / "earnest" / "earnest.txt.gz")], 0.6, 0.8)
    found["novels"] = _novels(folder / "novels" / "novels.txt.xz")
    for name in ("atis_train", "commonvoice", "librispeech_clean", "librispeech_other"):
        with gzip.open(folder / "nbest" / f"{name}.5best.json.gz", "rt", encoding="utf-8") as stream:
            found[f"{name} references"] = _cut([entry["output"] for entry in json.load(stream)], 0.6, 0.8)
    found["europarl references"] = _cut(_lines(folder / "nbest" / "europarl.100best.ref.gz"), 0.5, 0.75)
    return found


def plain(lines: list[str]) -> list[str]:
    """Sentences of lower-case words alone, as speech recognisers write them."""
    text = "\n\n".join(lines).replace(" 's", "'s").replace(" n't", "n't").replace(" @-@ ", " ").replace("<unk>", " ")
    return [" ".join(words) for words in sentences_of(text)]


def _in_three_files(folder: Path) -> Texts:
    train, held, test = (_lines(folder / f"{part}.txt.gz") for part in ("train", "valid", "test"))
    return Texts(train, _first(held), _first(test))


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [line.strip() for line in stream if line.strip()]


def _cut(lines: list[str], first: float, second: float) -> Texts:
    """Stretches one after the other: up to those shares of the lines."""
    low, high = int(first * len(lines)), int(second * len(lines))
    return Texts(lines[:low], _first(lines[low:high]), _first(lines[high:]))


def _first(lines: list[str]) -> list[str]:
    ends = accumulate(len(line.split()) for line in lines)
    return [line for line, end in zip(lines, ends) if end <= LIMIT]


def _novels(path: Path, train: int = 50_000, rest: int = 400) -> Texts:
    """Sentences of lower-case words: for each place lines to train on, and far behind them some of other books."""
    found = Texts([], [], [])
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        for _ in range(PLACES):
            for part, size in zip(found, (train, rest, rest)):
                part.extend(plain(list(islice(stream, size))))
                _skip(stream, 50_000)
    return found


def _skip(stream: Iterator[str], lines: int) -> None:
    next(islice(stream, lines, lines), None)
