"""What is written through windows is what was written, whatever the sizes; a full disk is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmix import mapped_writer
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


class _Disk:
    """A disk that has room for so many windows, and for so many more bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, windows: int) -> None:
        self.windows, self.reserve = windows, os.posix_fallocate
        monkeypatch.setattr(os, "posix_fallocate", self)

    def __call__(self, *arguments: int) -> None:
        self.windows -= 1
        if self.windows < 0:
            raise OSError(28, "No space left on device")
        self.reserve(*arguments)


@pytest.mark.parametrize("windows", [0, 1, 2, 5])
def test_without_room_for_a_window_the_rest_is_written_plainly(
    tmp_path: Path, small_windows: None, monkeypatch: pytest.MonkeyPatch, windows: int
) -> None:
    _Disk(monkeypatch, windows)
    content = os.urandom(20 * PAGE + 17)
    with atomic_write(tmp_path / "file") as stream:
        for at in range(0, len(content), 1000):
            stream.write(content[at : at + 1000])
    assert (tmp_path / "file").read_bytes() == content


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import resource, signal, sys; from lmmix import mapped_writer; from lmmix.fileio import atomic_write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "mapped_writer.PLAIN_BYTES, mapped_writer.WINDOW_BYTES = 4096, 8192\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))\n"
        "try:\n"
        "    with atomic_write(sys.argv[1]) as stream:\n"
        "        stream.write(bytes(100000))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert ended.stdout == f"InputError {path}: cannot write: File too large\n"
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
