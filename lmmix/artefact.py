"""The binary container of every array artefact: magic, version, sizes, checksums, aligned arrays.

Layout::

    8 bytes   magic  b"LMMIXART"
    u32       version of the container
    u32       length of the header in bytes
    u32       CRC-32 of the header
    u32       zero
    …         header: JSON {kind, meta, arrays: [{name, dtype, shape, offset, crc32}]}
    …         arrays, little-endian, C order, each at a multiple of 64 bytes

Arrays are memory-mapped when read, so a file costs what is touched of it and processes share it.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import Any

import numpy as np

from lmmix.errors import FormatError
from lmmix.fileio import PathLike, atomic_write, explain_errors

MAGIC = b"LMMIXART"
VERSION = 1
ALIGNMENT = 64
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
                "crc32": zlib.crc32(block.data.cast("B") if block.size else b""),
            }
        )
        offset += block.nbytes
    header = json.dumps({"kind": kind, "meta": meta, "arrays": rows}, ensure_ascii=False).encode()
    # Offsets count from the first aligned byte behind the header, so the header may have any length.
    return header + b" " * (-(_PREFIX.size + len(header)) % ALIGNMENT)


def read_header(path: PathLike) -> tuple[dict[str, Any], int]:
    """(header, offset of the first array in bytes) of an artefact. Raises FormatError, InputError."""
    with explain_errors(path, "read"), open(path, "rb") as stream:
        prefix = stream.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size or prefix[:8] != MAGIC:
            raise FormatError(f"{path}: not an lmmix artefact (it starts with {prefix[:8]!r}, not {MAGIC!r})")
        _, version, length, checksum, reserved = _PREFIX.unpack(prefix)
        if version != VERSION:
            raise FormatError(f"{path}: artefact version {version}; this lmmix reads version {VERSION}")
        header = stream.read(min(length, os.path.getsize(path)))
    if len(header) < length or reserved or zlib.crc32(header) != checksum:
        raise FormatError(f"{path}: the header is damaged (checksum does not match); make the file again")
    return json.loads(header), _PREFIX.size + length


def load_artefact(path: PathLike, kind: str, verify: bool = True) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(meta, arrays) of an artefact; the arrays are memory maps.

    `verify` compares each array with its checksum, which reads the whole file once.
    Raises FormatError for another kind, a truncated file or a checksum that does not match.
    """
    header, base = read_header(path)
    if header["kind"] != kind:
        raise FormatError(f"{path}: holds a {header['kind']}, not a {kind}")
    size = os.path.getsize(path)
    arrays = {}
    for row in header["arrays"]:
        if row["dtype"] not in _DTYPES:
            raise FormatError(f"{path}: array {row['name']!r} has the unknown type {row['dtype']!r}")
        dtype, shape = np.dtype("<" + row["dtype"]), tuple(row["shape"])
        start = base + row["offset"]
        end = start + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if end > size:
            raise FormatError(f"{path}: truncated: {size} bytes, array {row['name']!r} ends at byte {end}")
        if end == start:
            arrays[row["name"]] = np.zeros(shape, dtype)
            continue
        # Copy-on-write: the file never changes, and kernels, which take writable arrays only, are content.
        array = np.asarray(np.memmap(path, dtype, "c", start, shape))
        if verify and zlib.crc32(array.data.cast("B")) != row["crc32"]:
            raise FormatError(f"{path}: array {row['name']!r} is damaged (checksum does not match)")
        arrays[row["name"]] = array
    return header["meta"], arrays
