"""The binary container of every array artefact: magic, version, sizes, checksums, aligned arrays.

Layout::

    8 bytes   magic  b"LMMIXART"
    u32       version of the container
    u32       length of the header in bytes
    u32       CRC-32 of the header
    u32       zero
    …         header: JSON {kind, meta, arrays: [{name, dtype, shape, offset, crc32}]}
    …         arrays, little-endian, C order, each at the next multiple of 64 bytes; nothing behind the last

`crc32` holds one checksum for each CHUNK_BYTES of an array, so that they can be computed on several threads.

Arrays are memory-mapped when read, so a file costs what is touched of it and processes share it. What is checked
when: the header (checksum, fields, types, shapes, places), the size of the file, and the first and the last chunk of
each array always, which finds files that were written or copied in part; all chunks when the file is small
(`SMALL_BYTES`) or on request, for that touches every byte.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeGuard

import numpy as np

from lmmix.errors import FormatError
from lmmix.fileio import PathLike, atomic_write, explain_errors, parse_json
from lmmix.parallel import cut, thread_map

MAGIC = b"LMMIXART"
VERSION = 3
ALIGNMENT = 64

CHUNK_BYTES = 1 << 20
"""Bytes of an array under one checksum: half a millisecond."""

SMALL_BYTES = 1 << 24
"""Files up to this size are compared with their checksums whenever they are loaded (some 10 ms)."""

_PRIVATE = mmap.MAP_PRIVATE | 0x4000
"""Copy-on-write without room set aside for copies (MAP_NORESERVE of Linux), so that a file may exceed the memory."""

_PREFIX = struct.Struct("<8sIIII")
_DTYPES = {"u1", "i4", "i8", "f4", "f8"}


def save_artefact(path: PathLike, kind: str, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write `arrays` and the JSON-able `meta` as an artefact of `kind`, atomically."""
    blocks = {name: _checked(name, array) for name, array in arrays.items()}
    header = _header(kind, meta, blocks)
    with atomic_write(path) as stream:
        stream.write(_PREFIX.pack(MAGIC, VERSION, len(header), zlib.crc32(header), 0))
        stream.write(header)
        written = _PREFIX.size + len(header)
        for block in blocks.values():
            stream.write(b"\0" * (-written % ALIGNMENT))
            stream.write(block.data.cast("B") if block.size else b"")
            written += -written % ALIGNMENT + block.nbytes


def _checked(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.str[1:] not in _DTYPES or array.dtype.str[0] == ">" or not array.ndim:
        raise TypeError(f"array {name!r} is {array.ndim}-dimensional {array.dtype.str}, which an artefact cannot hold")
    return np.ascontiguousarray(array)


def _header(kind: str, meta: dict[str, Any], blocks: dict[str, np.ndarray]) -> bytes:
    rows, offset = [], 0
    for name, block in blocks.items():
        offset += -offset % ALIGNMENT
        rows.append(
            {
                "name": name,
                "dtype": block.dtype.str[1:],
                "shape": list(block.shape),
                "offset": offset,
                "crc32": thread_map(zlib.crc32, _chunks(block), None if block.nbytes > CHUNK_BYTES else 1),
            }
        )
        offset += block.nbytes
    header = json.dumps({"kind": kind, "meta": meta, "arrays": rows}, ensure_ascii=False).encode()
    # Offsets count from the first aligned byte behind the header, so the header may have any length.
    return header + b" " * (-(_PREFIX.size + len(header)) % ALIGNMENT)


def _chunks(block: np.ndarray) -> list[memoryview]:
    """The bytes of a contiguous array in pieces of CHUNK_BYTES; none for an empty array."""
    return [block.data.cast("B")[lo:hi] for lo, hi in cut(block.nbytes, CHUNK_BYTES)]


@dataclass(frozen=True)
class _Place:
    """Where an array of the file lies, from its first byte to the one behind its last, and its checksums."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int
    crc32: list[int]


def read_header(path: PathLike) -> tuple[dict[str, Any], int]:
    """(header, offset of the first array in bytes) of an artefact. Raises FormatError, InputError."""
    with explain_errors(path, "read"), open(path, "rb") as stream:
        return _read_header(path, stream)


def _read_header(path: PathLike, stream: BinaryIO) -> tuple[dict[str, Any], int]:
    prefix = stream.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size or prefix[:8] != MAGIC:
        raise FormatError(f"{path}: not an lmmix artefact (it starts with {prefix[:8]!r}, not {MAGIC!r})")
    _, version, length, checksum, reserved = _PREFIX.unpack(prefix)
    if version != VERSION:
        raise FormatError(
            f"{path}: artefact version {version}; this lmmix reads version {VERSION}; make the file again"
        )
    content = stream.read(min(length, os.fstat(stream.fileno()).st_size))
    if len(content) < length or reserved or zlib.crc32(content) != checksum:
        raise FormatError(f"{path}: the header is damaged (checksum does not match); make the file again")
    try:
        header = parse_json(content.decode())
        json.dumps(header, ensure_ascii=False).encode()  # lone surrogates, which nobody could print
    except ValueError as error:
        raise FormatError(f"{path}: the header is not valid JSON: {error}") from None
    fields = header if isinstance(header, dict) else {}
    for field, wanted in {"kind": str, "meta": dict, "arrays": list}.items():
        if not isinstance(fields.get(field), wanted):
            raise FormatError(f"{path}: header field {field!r} is {_shown(fields.get(field))}, not a {wanted.__name__}")
    return header, _PREFIX.size + length


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _places(path: PathLike, rows: list[Any], base: int) -> list[_Place]:
    """Where the arrays lie; each begins at the first aligned byte behind the one before."""
    places: list[_Place] = []
    stop = base
    for number, row in enumerate(rows):
        wrong = _wrong_field(row, {place.name for place in places})
        if not wrong:
            dtype = np.dtype("<" + row["dtype"])
            start = stop + -stop % ALIGNMENT
            stop = start + math.prod(row["shape"]) * dtype.itemsize
            if row.get("offset") != start - base:
                wrong = "offset"
            elif len(row["crc32"]) != -(-(stop - start) // CHUNK_BYTES):
                wrong = "crc32"
        if wrong:
            value = row.get(wrong) if isinstance(row, dict) else row
            raise FormatError(f"{path}: header field arrays[{number}].{wrong} is {_shown(value)}, which cannot be")
        places.append(_Place(row["name"], dtype, tuple(row["shape"]), start, stop, row["crc32"]))
    return places


def _wrong_field(row: Any, taken: set[str]) -> str:
    """The first field of an array's row that cannot be wherever it lies, or the empty string."""
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or row["name"] in taken:
        return "name"
    if not isinstance(row.get("dtype"), str) or row["dtype"] not in _DTYPES:
        return "dtype"
    shape = row.get("shape")
    if not _are_counts(shape) or not 1 <= len(shape) <= 8 or math.prod(max(1, size) for size in shape) >= 2**56:
        return "shape"
    return "" if _are_counts(row.get("crc32")) else "crc32"


def _are_counts(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def is_small(path: PathLike) -> bool:
    """Whether the file is small enough to be checked in full whenever it is loaded."""
    with explain_errors(path, "read"):
        return os.path.getsize(path) <= SMALL_BYTES


def load_artefact(
    path: PathLike, kind: str, verify: bool | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(meta, arrays) of an artefact; the arrays are memory maps, and loading takes milliseconds.

    `verify` compares each array with all its checksums, which reads the whole file once, on all cores; by default that
    happens if the file is small. Otherwise only the first and the last of each array are looked at. Raises FormatError,
    naming the header field or the array, for another kind, a file that is longer or shorter than its header says or a
    checksum that does not match.
    """
    verify = is_small(path) if verify is None else verify
    with explain_errors(path, "read"), open(path, "rb") as stream:
        header, base = _read_header(path, stream)
        if header["kind"] != kind:
            raise FormatError(f"{path}: holds a {header['kind']}, not a {kind}")
        places = _places(path, header["arrays"], base)
        size, stop = os.fstat(stream.fileno()).st_size, places[-1].stop if places else base
        if size != stop:
            last = f"array {places[-1].name!r}" if places else "the header"
            raise FormatError(
                f"{path}: {'truncated' if size < stop else 'too long'}: {size} bytes, but {last} ends at byte {stop}"
            )
        # Copy-on-write: the file never changes, and kernels, which take writable arrays only, are content.
        content = mmap.mmap(stream.fileno(), 0, _PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        # Queries jump about in large files: with large pages fewer of the jumps have to find their page first.
        with contextlib.suppress(OSError):
            content.madvise(mmap.MADV_HUGEPAGE)
    arrays = {place.name: _mapped(content, place) for place in places}
    _verify(path, places, arrays, verify)
    return header["meta"], arrays


def _mapped(content: mmap.mmap, place: _Place) -> np.ndarray:
    if place.start == place.stop:
        return np.zeros(place.shape, place.dtype)
    return np.frombuffer(content, place.dtype, math.prod(place.shape), place.start).reshape(place.shape)


def _verify(path: PathLike, places: list[_Place], arrays: dict[str, np.ndarray], every: bool) -> None:
    """Raise FormatError at the first chunk that does not match its checksum; without `every`, of those at the ends."""
    chunks = [
        (place, number, chunk)
        for place in places
        for number, chunk in enumerate(_chunks(arrays[place.name]))
        if every or number in (0, len(place.crc32) - 1)
    ]
    found = thread_map(lambda row: zlib.crc32(row[2]), chunks, None if len(chunks) > len(places) else 1)
    for (place, number, _), checksum in zip(chunks, found):
        if checksum != place.crc32[number]:
            start = place.start + number * CHUNK_BYTES
            stop = min(start + CHUNK_BYTES, place.stop)
            raise FormatError(
                f"{path}: array {place.name!r} is damaged between the bytes {start} and {stop} "
                "(checksum does not match); make the file again"
            )


def check_fields(
    path: PathLike,
    meta: dict[str, Any],
    arrays: dict[str, np.ndarray],
    meta_types: Mapping[str, type],
    array_types: Mapping[str, str],
) -> None:
    """Raise FormatError unless `meta` has these fields and `arrays` these one-dimensional arrays, of these types.

    `array_types` are NumPy's names without the byte order: ``{"word": "i4"}``.
    """
    for name, wanted in meta_types.items():
        if type(meta.get(name)) is not wanted:
            raise FormatError(f"{path}: header field meta.{name} is {_shown(meta.get(name))}, not a {wanted.__name__}")
    for name, dtype in array_types.items():
        array = arrays.get(name)
        if array is None:
            raise FormatError(f"{path}: array {name!r} is missing")
        if array.ndim != 1 or array.dtype.str[1:] != dtype:
            raise FormatError(
                f"{path}: array {name!r} has {array.ndim} dimensions of {array.dtype.str[1:]}, not one of {dtype}"
            )


def refuse_places(path: PathLike, array: str, wrong: np.ndarray, why: str, places: int | np.ndarray = 0) -> None:
    """Raise FormatError at the first True of `wrong`; `places` are its places in the array, or the first of them."""
    if not wrong.any():
        return
    row = int(wrong.argmax())
    place = int(places[row]) if isinstance(places, np.ndarray) else places + row
    raise FormatError(f"{path}: array {array!r} is wrong at place {place}: {why}")
