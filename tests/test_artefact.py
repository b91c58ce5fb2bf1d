from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest

from lmmix import artefact
from lmmix.artefact import load_artefact, read_header, save_artefact
from lmmix.errors import FormatError, InputError

META = {"name": "žluťoučký 中文 🐎", "numbers": [1, 2.5, None, True], "nested": {"a": {}}}
ARRAYS = {
    "bytes": np.arange(7, dtype=np.uint8),
    "matrix": np.arange(6, dtype=np.int32).reshape(2, 3) - 3,
    "long": np.array([-(2**63), 2**63 - 1], np.int64),
    "empty": np.zeros(0, np.float32),
    "single": np.array([1.5, -0.0, np.inf], np.float32),
    "flat": np.zeros((3, 0, 2), np.int32),
    "double": np.array([np.nan, -np.inf, 1e-300]),
}


@pytest.fixture
def path(tmp_path):
    save_artefact(tmp_path / "art", "test", META, ARRAYS)
    return tmp_path / "art"


def accepts(path, content: bytes) -> bool:
    """Whether the content loads; what does not must be refused by a FormatError on one line with the file's name."""
    path.unlink()  # arrays of an earlier load map the old file
    path.write_bytes(content)
    try:
        load_artefact(path, "test")
    except FormatError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return False
    return True


def array_places(path) -> list[tuple[int, int]]:
    header, base = read_header(path)
    sizes = [ARRAYS[row["name"]].nbytes for row in header["arrays"]]
    return [(base + row["offset"], base + row["offset"] + size) for row, size in zip(header["arrays"], sizes)]


def test_round_trip_of_meta_and_arrays_of_every_type_and_shape(path):
    meta, arrays = load_artefact(path, "test")
    assert meta == META
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)


def test_round_trip_without_arrays(tmp_path):
    save_artefact(tmp_path / "art", "test", {}, {})
    assert load_artefact(tmp_path / "art", "test") == ({}, {})


@pytest.mark.parametrize("array", [np.arange(12).reshape(3, 4).T, np.arange(9)[::2]], ids=["transposed", "strided"])
def test_arrays_that_are_not_contiguous_round_trip(tmp_path, array):
    save_artefact(tmp_path / "art", "test", {}, {"a": array})
    np.testing.assert_array_equal(load_artefact(tmp_path / "art", "test")[1]["a"], array)


@pytest.mark.parametrize("dtype", [">i4", ">f8", "?", "u2", "f2", "c16"])
def test_array_of_another_type_round_trips_or_is_refused_when_saved(tmp_path, dtype):
    array = np.array([0, 1, 3]).astype(dtype)
    try:
        save_artefact(tmp_path / "art", "test", {}, {"a": array})
    except (TypeError, ValueError):
        return
    np.testing.assert_array_equal(load_artefact(tmp_path / "art", "test")[1]["a"], array)


def test_same_content_gives_the_same_bytes(path, tmp_path):
    save_artefact(tmp_path / "again", "test", META, ARRAYS)
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_arrays_are_aligned(path):
    assert all(start % 64 == 0 for start, _ in array_places(path))


def test_changed_arrays_leave_the_file_alone(path):
    before = path.read_bytes()
    load_artefact(path, "test")[1]["bytes"][:] = 9
    assert path.read_bytes() == before


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_damaged_byte_of_prefix_and_header_is_refused(path, flip):
    content = path.read_bytes()
    base = read_header(path)[1]
    undetected = [at for at in range(base) if accepts(path, _flipped(content, at, flip))]
    assert undetected == []


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_every_damaged_byte_of_an_array_is_refused(path, flip):
    content, places = path.read_bytes(), array_places(path)
    damaged = [at for start, end in places for at in range(start, end)]
    assert [at for at in damaged if accepts(path, _flipped(content, at, flip))] == []


def _flipped(content: bytes, at: int, flip: int) -> bytes:
    return content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]


def test_truncation_at_every_length_is_refused(path):
    content = path.read_bytes()
    assert [size for size in range(len(content)) if accepts(path, content[:size])] == []
    assert accepts(path, content)


def test_without_verify_damage_is_looked_for_at_the_ends_of_each_array(tmp_path, monkeypatch):
    monkeypatch.setattr(artefact, "CHUNK_BYTES", 100)
    path = tmp_path / "art"
    save_artefact(path, "test", {}, {"a": np.arange(250, dtype=np.uint8), "b": np.arange(500, dtype=np.uint8) % 7})
    content = path.read_bytes()
    header, base = read_header(path)
    for row, last in zip(header["arrays"], (200, 400)):
        for place in range(row["shape"][0]):
            path.write_bytes(_flipped(content, base + row["offset"] + place, 1))
            if 100 <= place < last:
                load_artefact(path, "test", verify=False)
            else:
                with pytest.raises(FormatError, match=f"array '{row['name']}' is damaged between the bytes"):
                    load_artefact(path, "test", verify=False)


def test_another_kind_is_refused(path):
    with pytest.raises(FormatError, match=f"^{path}: holds a test, not a corpus"):
        load_artefact(path, "corpus")


def test_a_future_version_is_refused(path):
    content = bytearray(path.read_bytes())
    content[8:12] = struct.pack("<I", 4)
    path.write_bytes(content)
    with pytest.raises(FormatError, match="artefact version 4; this lmmix reads version 3"):
        load_artefact(path, "test")


@pytest.mark.parametrize("content", [b"", b"LMMIXAR", b"\\data\\\nngram 1=3\n" * 9])
def test_other_files_are_refused(path, content):
    assert not accepts(path, content)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=f"^{path}: cannot read"):
            load_artefact(path, "test")


def test_arrays_of_several_chunks_round_trip_and_damage_names_the_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(artefact, "CHUNK_BYTES", 100)
    path = tmp_path / "art"
    array = np.arange(130, dtype=np.int32)
    save_artefact(path, "test", {}, {"a": array})
    header, base = read_header(path)
    assert [len(row["crc32"]) for row in header["arrays"]] == [6]
    np.testing.assert_array_equal(load_artefact(path, "test")[1]["a"], array)
    path.write_bytes(_flipped(path.read_bytes(), base + 250, 1))
    with pytest.raises(FormatError, match=f"array 'a' is damaged between the bytes {base + 200} and {base + 300} "):
        load_artefact(path, "test")


def test_large_files_are_verified_in_full_on_request_only(tmp_path, monkeypatch):
    monkeypatch.setattr(artefact, "CHUNK_BYTES", 100)
    monkeypatch.setattr(artefact, "SMALL_BYTES", 10)
    path = tmp_path / "art"
    save_artefact(path, "test", {}, {"bytes": np.arange(250, dtype=np.uint8)})
    path.write_bytes(_flipped(path.read_bytes(), read_header(path)[1] + 150, 1))
    load_artefact(path, "test")
    with pytest.raises(FormatError, match="array 'bytes' is damaged"):
        load_artefact(path, "test", verify=True)


def test_bytes_behind_the_last_array_are_refused(path):
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(FormatError, match=f"too long: {len(content) + 1} bytes, but array 'double' ends at"):
        load_artefact(path, "test", verify=False)


def _with_header(path, header: bytes) -> None:
    """Another header, its checksum right, before the arrays of the file."""
    content, base = path.read_bytes(), read_header(path)[1]
    header += b" " * (-(24 + len(header)) % 64)
    path.write_bytes(content[:12] + struct.pack("<III", len(header), zlib.crc32(header), 0) + header + content[base:])


@pytest.mark.parametrize(
    "field, value",
    [
        ("dtype", "O"), ("dtype", ["f8"]), ("dtype", ">f8"), ("shape", [-7]), ("shape", [2**62]),
        ("shape", [2**31, 2**31]), ("shape", 7), ("shape", [True]), ("shape", [7.0]), ("shape", []), ("shape", [1] * 9),
        ("offset", 64), ("offset", None),
        ("crc32", []), ("crc32", 5), ("name", "matrix"), ("name", 3),
    ],
)  # fmt: skip
def test_lies_in_the_header_are_refused_by_field(path, field, value):
    header, _ = read_header(path)
    header["arrays"][0][field] = value
    if field == "name" and value == "matrix":
        header["arrays"] = header["arrays"][::-1]
    _with_header(path, json.dumps(header).encode())
    with pytest.raises(FormatError, match=rf"^{path}: header field arrays\[\d+\]\.\w+ is .*, which cannot be$"):
        load_artefact(path, "test")


def test_announced_sizes_allocate_nothing(path):
    header, _ = read_header(path)
    header["arrays"] = [{"name": "a", "dtype": "u1", "shape": [10**15], "offset": 0, "crc32": [0]}]
    _with_header(path, json.dumps(header).encode())
    with pytest.raises(FormatError, match="arrays.0..crc32"):
        load_artefact(path, "test")


@pytest.mark.parametrize(
    "header",
    [b"[" * 100_000, b"{", b"9" * 9999, b"[]", b"null", b"\xff", b'{"kind": "test", "meta": [], "arrays": []}',
     b'{"kind": "\\ud800", "meta": {}, "arrays": []}', b'{"kind": "test", "meta": {}}'],
)  # fmt: skip
def test_headers_that_are_none_are_refused(path, header):
    _with_header(path, header)
    with pytest.raises(FormatError, match=f"^{path}: .*header"):
        load_artefact(path, "test")


def test_missing_fields_and_arrays_of_other_types_are_refused_by_name():
    arrays = {"a": np.zeros(3, np.int32), "b": np.zeros((3, 1))}
    artefact.check_fields("x", {"m": 1}, arrays, {"m": int}, {"a": "i4"})
    for meta_types, array_types, message in [
        ({"n": int}, {}, "x: header field meta.n is None, not a int"),
        ({"m": str}, {}, "x: header field meta.m is 1, not a str"),
        ({}, {"c": "i4"}, "x: array 'c' is missing"),
        ({}, {"a": "i8"}, "x: array 'a' has 1 dimensions of i4, not one of i8"),
        ({}, {"b": "f8"}, "x: array 'b' has 2 dimensions of f8, not one of f8"),
    ]:
        with pytest.raises(FormatError) as caught:
            artefact.check_fields("x", {"m": 1}, arrays, meta_types, array_types)
        assert str(caught.value) == message
