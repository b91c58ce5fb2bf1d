"""Damaged ARPA files from seeds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import re
from functools import lru_cache

import naive_ngram
from fuzz_bytes import (
    damaged_bytes,
    damaged_header,
    damaged_lines,
    damaged_number,
    damaged_style,
    damaged_word,
)

SENTENCES = [
    ["a b a", "b", "a b b", "c a b"],
    ["你 好 中 国", "中 国 你", "好 好", "<unk> é 中 国", "ß"],
    ["the cat sat on the mat", "the dog sat on the cat", "a dog and a cat", "on the mat the dog sat"],
]
ORDERS = (3, 2, 4)
DAMAGES = [
    *[damaged_lines, damaged_lines, damaged_word, damaged_word, damaged_bytes, damaged_bytes],
    *[damaged_number, damaged_header, damaged_style],
]
COMPRESS = {".gz": lambda content: gzip.compress(content, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}


@lru_cache(maxsize=8)
def base(which: int) -> str:
    """A sound ARPA file with numbers that sum to nothing in particular; it does not depend on lmmix."""
    rng = random.Random(which)
    order = ORDERS[which]
    found = set(naive_ngram.counts([line.split() for line in SENTENCES[which]], order)) | {("<unk>",)}
    levels = [sorted(ngram for ngram in found if len(ngram) == n) for n in range(1, order + 1)]
    lines = ["\\data\\", *(f"ngram {n}={len(level)}" for n, level in enumerate(levels, 1))]
    for n, level in enumerate(levels, 1):
        lines += ["", f"\\{n}-grams:"]
        for ngram in level:
            logp = "-99" if ngram == ("<s>",) else f"{-3 * rng.random():.6g}"
            backoff = f"\t{rng.uniform(-1, 0.3):.6g}" if any(longer[:-1] == ngram for longer in found) else ""
            lines.append(f"{logp}\t{' '.join(ngram)}{backoff}")
    return "\n".join([*lines, "", "\\end\\", ""])


def damaged(seed: int) -> tuple[str, bytes, int]:
    """(suffix of the file, its content, number of the sound file it was made of)."""
    rng = random.Random(f"arpa {seed}")
    which = rng.randrange(len(SENTENCES))
    content = base(which).encode()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(DAMAGES)(rng, content)
    if rng.random() < 0.4:
        content = _recounted(content)
    if rng.random() < 0.9:
        return ".arpa", content, which
    suffix = rng.choice(sorted(COMPRESS))
    content = COMPRESS[suffix](content if rng.random() < 0.5 else base(which).encode())
    return f".arpa{suffix}", damaged_bytes(rng, content), which


def _recounted(content: bytes) -> bytes:
    """The file with a header that says what is in it, so that other faults come to light."""
    head, *sections = re.split(rb"(?=\n\\[0-9]+-grams:)", content)
    counts = [sum(line.strip() not in (b"", b"\\end\\") for line in part.split(b"\n")[2:]) for part in sections]
    lines = b"".join(b"ngram %d=%d\n" % (n, count) for n, count in enumerate(counts, 1))
    return re.sub(rb"(ngram [0-9]+=[0-9]+\r?\n)+", lines, head, count=1) + b"".join(sections)
