"""Writing large files through memory.

A plain write waits for every page of the file to be found and filled by one thread. Here pages are mapped, other
threads make them ready a window ahead, and writing is copying. On machines that get memory slowly, such as virtual
ones, that is several times as fast.
"""

from __future__ import annotations

import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

PLAIN_BYTES = 1 << 24
"""The beginning of a file is written as usual; small files are nothing else."""

WINDOW_BYTES = 1 << 26
_THREADS = 2


class MappedWriter:
    """A binary stream to the new file behind a descriptor, which is open for reading and writing and stays open."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._written = 0
        self._plain = os.fdopen(handle, "wb", closefd=False)
        self._windows: _Windows | None = None

    def __enter__(self) -> MappedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._plain.close()
        if self._windows is not None:
            self._windows.close()
            os.ftruncate(self._handle, self._written)

    def write(self, data: Any) -> int:
        """Append bytes. Raises OSError; a full disk is noticed before anything is lost."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            count = self._add(rest)
            self._written += count
            rest = rest[count:]
        return size

    def flush(self) -> None:
        """Hand over what is held back."""
        self._plain.flush()

    def _add(self, data: memoryview) -> int:
        if self._written < PLAIN_BYTES:
            return self._plain.write(data[: PLAIN_BYTES - self._written])
        if self._windows is None:
            self._plain.flush()
            self._windows = _Windows(self._handle, self._written)
        return self._windows.copy(data)


class _Windows:
    """Maps a file from `start` on, which must be a whole number of pages, one window after the other."""

    def __init__(self, handle: int, start: int) -> None:
        self._handle = handle
        self._pool = ThreadPoolExecutor(_THREADS)
        self._end = start
        self._prepare()
        self._open_next()

    def copy(self, data: memoryview) -> int:
        """Copy as much as the window holds; returns the number of bytes."""
        if self._used == WINDOW_BYTES:
            self._open_next()
        count = min(len(data), WINDOW_BYTES - self._used)
        self._window[self._used : self._used + count] = np.frombuffer(data[:count], np.uint8)
        self._used += count
        return count

    def close(self) -> None:
        self._pool.shutdown()

    def _open_next(self) -> None:
        for touched in self._touched:
            touched.result()
        self._window, self._used = self._ahead, 0
        self._prepare()

    def _prepare(self) -> None:
        """Reserve and map the next window, and have its pages touched by other threads."""
        # Writing to a page that a full disk cannot hold would kill the process, so room is taken first.
        os.posix_fallocate(self._handle, self._end, WINDOW_BYTES)
        self._ahead = np.frombuffer(mmap.mmap(self._handle, WINDOW_BYTES, offset=self._end), np.uint8)
        self._touched = [self._pool.submit(_touch, part) for part in np.split(self._ahead, _THREADS)]
        self._end += WINDOW_BYTES


def _touch(part: np.ndarray) -> None:
    part[:: mmap.PAGESIZE] = 0
