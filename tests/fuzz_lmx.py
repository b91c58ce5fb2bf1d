"""Damaged `.lmx` files from seeds: bytes, and headers and arrays with their checksums made right again."""

from __future__ import annotations

import json
import random
import struct
import zlib
from typing import Any

import numpy as np
from fuzz_arpa import SENTENCES
from fuzz_bytes import damaged_bytes

PREFIX = 24
CHUNK = 1 << 20
NASTY_VALUES: list[Any] = [
    -1, 0, 1, 2, 63, 64, 65, 10**3, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63, 10**30, -(2**63), 1.5, 1e308, None,
    True, False, "", "i4", "f8", "u1", "i8", "f4", ">i4", "O", "V8", "level", "word", "\ud800", "x" * 1000, [], [0],
    [-1], [2**62, 2**62], [[1]], [1] * 70, [0, 2**60], {}, {"a": 1},
]  # fmt: skip
NASTY_INTS = [-1, 0, 1, 2, 3, 4, 7, 100, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63)]
NASTY_FLOATS = ["nan", "inf", "-inf", "-0.0", "1e308", "-1e308", "1e-308", "0.5", "-0.5", "1e-17"]
FORMATS = {"u1": "B", "i4": "i", "i8": "q", "f4": "f", "f8": "d"}


def damaged(seed: int, sound: list[bytes]) -> tuple[str, bytes, int]:
    """(what was done, content, number of the sound file of `sound` that it was made of)."""
    rng = random.Random(f"lmx {seed}")
    which = rng.randrange(len(SENTENCES))
    content = sound[which]
    kind = rng.choice(("bytes", "header", "array", "array", "array"))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if kind == "bytes":
            content = damaged_bytes(rng, content)
        elif kind == "header":
            content = _damaged_header(rng, content)
        else:
            content = _damaged_array(rng, content)
    return kind, content, which


def _parts(content: bytes) -> tuple[bytes, Any, bytes]:
    length = struct.unpack("<I", content[12:16])[0]
    return content[:12], json.loads(content[PREFIX : PREFIX + length]), content[PREFIX + length :]


def _whole(start: bytes, header: bytes, arrays: bytes) -> bytes:
    header += b" " * (-(PREFIX + len(header)) % 64)
    return start + struct.pack("<III", len(header), zlib.crc32(header), 0) + header + arrays


def _damaged_header(rng: random.Random, content: bytes) -> bytes:
    """A field somewhere in the header becomes something else, is dropped or doubled; or the text of it is damaged."""
    try:
        start, header, arrays = _parts(content)
    except (ValueError, RecursionError):
        return content
    if rng.random() < 0.25:
        text = json.dumps(header, ensure_ascii=False).encode("utf-8", "replace")
        deep = rng.choice((b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b"NaN", damaged_bytes(rng, text)))
        return _whole(start, deep, arrays)
    place = _some_place(rng, header)
    if place is not None:
        box, key = place
        what = rng.randrange(6)
        if what == 0:
            del box[key]
        elif what == 1 and isinstance(box, list):
            box.insert(rng.randrange(len(box) + 1), box[key])
        elif what == 2 and type(box[key]) is int:
            box[key] += rng.choice((-64, -8, -1, 1, 8, 64))
        elif what == 3:
            other, other_key = _some_place(rng, header) or (box, key)
            box[key] = json.loads(json.dumps(other[other_key]))
        else:
            box[key] = rng.choice(NASTY_VALUES)
    return _whole(start, json.dumps(header).encode(), arrays)


def _some_place(rng: random.Random, value: Any) -> tuple[Any, Any] | None:
    """(container, key) of something inside a JSON value, every depth equally likely."""
    place = None
    while isinstance(value, (dict, list)) and value and (place is None or rng.random() < 0.7):
        key = rng.choice(sorted(value)) if isinstance(value, dict) else rng.randrange(len(value))
        place, value = (value, key), value[key]
    return place


def _damaged_array(rng: random.Random, content: bytes) -> bytes:
    """A few values of one array become others, or change places, and the checksums are those of the new array."""
    start, header, arrays = _parts(content)
    row = rng.choice(header["arrays"])
    form, count = FORMATS[row["dtype"]], row["shape"][0]
    size = struct.calcsize(form)
    values = list(struct.unpack_from(f"<{count}{form}", arrays, row["offset"]))
    what = rng.randrange(5)
    at, other = rng.randrange(count), rng.randrange(count)
    if what == 0:
        values[at], values[other] = values[other], values[at]
    elif what == 1:
        values[at] = values[other]
    elif what == 2:
        values[at] += rng.choice((-1, 1))
    elif what == 3 and count > 1:
        values = _resized(rng, values)
    else:
        values[at] = float(rng.choice(NASTY_FLOATS)) if form in "fd" else rng.choice(NASTY_INTS)
    if form not in "fd":
        bits = 8 * size
        low = 0 if form == "B" else -(1 << bits - 1)
        values = [(value - low) % (1 << bits) + low for value in values]
    with np.errstate(over="ignore"):
        new = np.array(values).astype(f"<{row['dtype']}").tobytes()
    return _with_array(start, header, arrays, row["name"], new, len(values))


def _resized(rng: random.Random, values: list[Any]) -> list[Any]:
    at = rng.randrange(len(values))
    return values[:at] + values[at + 1 :] if rng.random() < 0.5 else values[:at] + values[at : at + 1] + values[at:]


def _with_array(start: bytes, header: Any, arrays: bytes, name: str, new: bytes, count: int) -> bytes:
    """The file with another content of one array, everything else moved and summed as it must be."""
    out = b""
    for row in header["arrays"]:
        size = struct.calcsize(FORMATS[row["dtype"]]) * row["shape"][0]
        block = arrays[row["offset"] : row["offset"] + size]
        if row["name"] == name:
            block, row["shape"] = new, [count]
        out += b"\0" * (-len(out) % 64)
        row["offset"], row["crc32"] = len(out), [zlib.crc32(block[i : i + CHUNK]) for i in range(0, len(block), CHUNK)]
        out += block
    return _whole(start, json.dumps(header, ensure_ascii=False).encode(), out)
