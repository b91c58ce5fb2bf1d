"""Texts to measure on."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""Letters and inner apostrophes."""


def normalise(source: Path, target: Path) -> None:
    """Lower case, letters and inner apostrophes only, a sentence a line."""
    ends = re.compile(r"[.!?]+[\"'”’)\]]*\s+|\n\s*\n")
    with lzma.open(source, "rt", encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        while block := lines.read(1 << 24):
            block += lines.readline()
            for sentence in ends.split(block):
                if words := WORD.findall(sentence.lower()):
                    out.write(" ".join(words).replace("’", "'") + "\n")
