"""Writing large files through memory.

A plain write waits for every page of the file to be found and filled by one thread. Here pages are mapped, other
threads make them ready a window ahead, and writing is copying. On machines that get memory slowly, such as virtual
ones, that is several times as fast.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
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
        self._plain_until = PLAIN_BYTES

    def __enter__(self) -> MappedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_windows()
        self._plain.close()

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
        if self._written < self._plain_until:
            return self._plain.write(data[: self._plain_until - self._written])
        try:
            if self._windows is None:
                self._plain.flush()
                self._windows = _Windows(self._handle, self._written)
            return self._windows.copy(data)
        except OSError:
            # No room for a whole window, or a file system that maps nothing: what is left is written as usual.
            self._plain_until = sys.maxsize
            self._end_windows()
            self._plain.seek(self._written)
            return self._add(data)

    def _end_windows(self) -> None:
        if self._windows is not None:
            self._windows.close()
            self._windows = None
            os.ftruncate(self._handle, self._written)


class _Windows:
    """Maps a file from `start` on, which must be a whole number of pages, one window after the other."""

    def __init__(self, handle: int, start: int) -> None:
        self._handle = handle
        self._pool, self._touching = ThreadPoolExecutor(1), ThreadPoolExecutor(_THREADS)
        self._end = start
        self._prepare()
        try:
            self._open_next()
        except OSError:
            self.close()
            raise

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
        self._touching.shutdown()

    def _open_next(self) -> None:
        """Go on to the window that was prepared. Raises OSError if that failed."""
        self._window, self._used = self._ahead.result(), 0
        self._prepare()

    def _prepare(self) -> None:
        """Have the next window made ready by another thread."""
        self._ahead = self._pool.submit(self._made_ready, self._end)
        self._end += WINDOW_BYTES

    def _made_ready(self, start: int) -> np.ndarray:
        # Writing to a page that a full disk cannot hold would kill the process, so room is taken first.
        os.posix_fallocate(self._handle, start, WINDOW_BYTES)
        pages = mmap.mmap(self._handle, WINDOW_BYTES, offset=start)
        # Pages that are large in memory are fewer to find, now and for whoever maps the file afterwards.
        with contextlib.suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
        window = np.frombuffer(pages, np.uint8)
        list(self._touching.map(_touch, np.split(window, _THREADS)))
        return window


def _touch(part: np.ndarray) -> None:
    part[:: mmap.PAGESIZE] = 0
