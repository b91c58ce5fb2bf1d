"""What is written through windows is what was written, whatever the sizes; a full disk is an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmix import mapped_writer
from lmmix.errors import InputError
from lmmix.fileio import atomic_write

PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_writer, "PLAIN_BYTES", PAGE)
    monkeypatch.setattr(mapped_writer, "WINDOW_BYTES", 2 * PAGE)


@pytest.mark.parametrize("plain", [PAGE, 1 << 24])
@given(sizes=st.lists(st.integers(0, 3 * PAGE), max_size=12), seed=st.integers(0, 99))
def test_file_holds_what_was_written(tmp_path_factory, plain: int, sizes: list[int], seed: int) -> None:
    parts = [bytes((seed + i) % 251 for i in range(size)) for size in sizes]
    path = tmp_path_factory.getbasetemp() / "written"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped_writer, "PLAIN_BYTES", plain)
        patch.setattr(mapped_writer, "WINDOW_BYTES", 2 * PAGE)
        with atomic_write(path) as stream:
            for part in parts:
                assert stream.write(part) == len(part)
    assert path.read_bytes() == b"".join(parts)


def test_full_disk_leaves_the_old_file(tmp_path: Path, small_windows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    reserve, calls = os.posix_fallocate, []

    def full(*arguments: int) -> None:
        calls.append(arguments)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        reserve(*arguments)

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="file: cannot write: No space left on device"), atomic_write(path) as stream:
        stream.write(bytes(20 * PAGE))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
