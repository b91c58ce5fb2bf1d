"""Damage for the fuzz tests: what can happen to bytes, lines, numbers and words, drawn with a seeded generator."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

NASTY_NUMBERS = [
    *"nan inf -inf +inf NaN -nan infinity 1e999 -1e999 -0 0 -0.0 1e-400 -1e-400 0e999 -99 -99.5 -100 -1e308".split(),
    *"1e308 98 99 99.5 1e300 99999999999999999999 -99999999999999999999 1.5 -. . - + -1e -1e+ 1_0 0x1p3 -1,5".split(),
    *["٣", "−1", "-0.5f", "--1", "", "-0." + "3" * 400, "-" + "0" * 400 + "1"],
]
NASTY_WORDS = [
    *"<unk> <s> </s> <UNK> \\ \\end\\ \\data\\ \\1-grams: \\2-grams: a b zz -0.5 nan é 中".split(),
    *["\xa0", "\0", "", " "],
]
NASTY_COUNTS = [
    *"0 -1 1 2 1000000 2147483647 2147483648 1000000000000000 99999999999999999999 nan 1e3 ٣".split(),
    *["", "9" * 5000],
]

Damage = Callable[[random.Random, bytes], bytes]


def damaged_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes flipped, set, inserted, deleted, moved, doubled, or the end cut off."""
    at = rng.randrange(len(content) + 1)
    other = rng.randrange(at, min(len(content), at + rng.choice((1, 2, 8, 64, 10**6))) + 1)
    inserted = bytes(
        rng.choice((0, 10, 13, 32, 92, 127, 128, 255, rng.randrange(256))) for _ in range(rng.choice((1, 1, 2, 9)))
    )
    return rng.choice(
        (
            content[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in content[at : at + 1]) + content[at + 1 :],
            content[:at] + inserted + content[at + len(inserted) :],
            content[:at] + inserted + content[at:],
            content[:at] + content[other:],
            content[:other] + content[at:other] + content[other:],
            content[:at],
            content[:at] + bytes(other - at) + content[other:],
            content + inserted,
        )
    )


def damaged_lines(rng: random.Random, content: bytes) -> bytes:
    """Lines dropped, doubled, swapped or moved, at times a whole stretch of them."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    other = rng.randrange(len(lines))
    stretch = lines[at : at + rng.choice((1, 1, 1, 2, 5, 50))]
    what = rng.randrange(4)
    if what == 0:
        del lines[at : at + len(stretch)]
    elif what == 1:
        lines[other:other] = stretch
    elif what == 2:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        del lines[at : at + len(stretch)]
        lines[other:other] = stretch
    return b"\n".join(lines)


def damaged_number(rng: random.Random, content: bytes) -> bytes:
    """A number becomes a nasty one."""
    return _replaced(rng, content, rb"(?<=\n)-[\d.]+|(?<=\t)-?[\d.]+(?=\n)", NASTY_NUMBERS)


def damaged_word(rng: random.Random, content: bytes) -> bytes:
    """A field becomes another one, of the file or a nasty one."""
    of_file = [word.decode("utf-8", "replace") for word in rng.choices(content.split() or [b"a"], k=5)]
    return _replaced(rng, content, rb"[^\s]+", [*NASTY_WORDS, *of_file])


def damaged_header(rng: random.Random, content: bytes) -> bytes:
    """A count or an order in the header becomes a wrong or huge one, or a thousand orders are announced."""
    if rng.random() < 0.1:
        orders = rng.choice((5, 900, 1001, 30000))
        more = "".join(f"ngram {n}=0\n" for n in range(4, orders))
        return content.replace(b"\n\n\\1-grams:", b"\n" + more.encode() + b"\n\\1-grams:", 1)
    return _replaced(rng, content, rb"(?<=ngram )\d+|(?<==)\d+", NASTY_COUNTS)


def damaged_style(rng: random.Random, content: bytes) -> bytes:
    """Line ends, byte-order mark, blanks, NULs, text before and behind: other habits and odd ones."""
    return rng.choice(
        (
            content.replace(b"\n", b"\r\n"),
            content.replace(b"\n", b"\r"),
            b"\xef\xbb\xbf" + content,
            content[:9] + b"\xef\xbb\xbf" + content[9:],
            content.replace(b"\t", b" "),
            content.replace(b"\t", b"\0"),
            content.replace(b" ", b"\xc2\xa0"),
            content.replace(b"\n", b" \n"),
            content.replace(b"\n", b"\n\n"),
            content.replace(b"\n", b"\n \t"),
            content.replace(b"\n", b"\xe2\x80\xa8"),
            content.replace(b"<unk>", b"<UNK>"),
            content.replace(b"<s>", b"<S>"),
            b"words before\n\n" + content,
            content + b"words behind\n",
            content.decode("utf-8", "replace").encode("utf-16"),
            content.replace("中".encode(), b"\xff\xfe"),
        )
    )


def _replaced(rng: random.Random, content: bytes, pattern: bytes, by: list[str]) -> bytes:
    """One match of the pattern becomes one of `by`."""
    places = [match.span() for match in re.finditer(pattern, content)]
    if not places:
        return content
    lo, hi = rng.choice(places)
    return content[:lo] + rng.choice(by).encode() + content[hi:]
