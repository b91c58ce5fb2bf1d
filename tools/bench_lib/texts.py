"""Texts to measure on."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from pathlib import Path

_ENDS = re.compile(r"[.!?]+[\"'”’)\]]*\s+|\n\s*\n")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""Letters and inner apostrophes."""


def normalise(source: Path, target: Path) -> None:
    """Lower case, letters and inner apostrophes only, a sentence a line."""
    with lzma.open(source, "rt", encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        while block := lines.read(1 << 24):
            block += lines.readline()
            for words in sentences_of(block):
                out.write(" ".join(words) + "\n")


def sentences_of(text: str) -> Iterator[list[str]]:
    """The words of each sentence: lower case, letters and inner apostrophes only."""
    for sentence in _ENDS.split(text):
        if words := WORD.findall(sentence.lower().replace("’", "'")):
            yield words
