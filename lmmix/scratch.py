"""Where large arrays live: in memory, or, under a budget, in nameless files that are mapped into memory.

With a budget, arrays are pages of files that the kernel keeps and writes as it sees fit; when the process
holds more than the budget allows, it lets go of the pages, which are read again where they are needed. So the
same code runs on texts of any size and gives the same bytes. The files have no name from the start: however
the process ends, nothing is left of them.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from types import TracebackType
from typing import Any, BinaryIO, cast
from weakref import WeakSet

import numpy as np

from lmmix.errors import SettingError
from lmmix.fileio import explain_errors

LEAST_BUDGET = 400 << 20
"""Bytes that the interpreter, the compiled kernels and the work of a moment need in any case."""

_LET_GO_AT = 0.6
_LOOK_EVERY = 0.005
_PAGE = mmap.ALLOCATIONGRANULARITY


class Scratch:
    """Gives out arrays; a context manager, at whose end the arrays of a budget may no longer be used.

    Parameters
    ----------
    budget : int, optional
        Resident bytes that the process should stay below; None keeps all arrays in memory.
    folder : path, optional
        Where the nameless files lie; default: the system's folder for temporary files. They need about 40 bytes
        an n-gram and 20 a word of the text.

    Raises SettingError for a budget below LEAST_BUDGET, InputError for a folder that cannot be written or is full.
    """

    def __init__(self, budget: int | None = None, folder: str | None = None) -> None:
        if budget is not None and budget < LEAST_BUDGET:
            raise SettingError(f"memory is {budget >> 20}M; it must be {LEAST_BUDGET >> 20}M or more")
        self.budget = budget
        self.folder = folder or tempfile.gettempdir()
        self._maps: WeakSet[mmap.mmap] = WeakSet()
        self._lock = threading.Lock()
        self._done = threading.Event()

    def __enter__(self) -> Scratch:
        if self.budget is not None:
            threading.Thread(target=self._keep_below, args=(self.budget,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()

    def empty(self, size: int, dtype: Any) -> np.ndarray:
        """(size,) array whose content means nothing yet."""
        if self.budget is None or not size:
            return np.empty(size, dtype)
        nbytes = size * np.dtype(dtype).itemsize
        with explain_errors(self.folder, "keep temporary data"), self._file() as file:
            # Writing to a page that a full disk cannot hold would kill the process, so room is taken now.
            os.posix_fallocate(file.fileno(), 0, nbytes)
            return self._mapped(file, 0, size, dtype)

    def growing(self, dtype: Any) -> GrowingArray:
        """An array that is made by appending."""
        return GrowingArray(self, dtype)

    def _file(self) -> BinaryIO:
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self.folder, buffering=0))

    def _mapped(self, file: BinaryIO, offset: int, size: int, dtype: Any) -> np.ndarray:
        """(size,) array over the bytes of a file from `offset` on."""
        first = offset - offset % _PAGE
        length = offset - first + size * np.dtype(dtype).itemsize
        pages = mmap.mmap(file.fileno(), length, offset=first)
        with self._lock:
            self._maps.add(pages)
        return np.frombuffer(pages, dtype, size, offset - first)

    def let_go(self) -> None:
        """Hold no page of the files resident; what is used next is mapped again."""
        with self._lock:
            maps = list(self._maps)
        for pages in maps:
            pages.madvise(mmap.MADV_DONTNEED)

    def _keep_below(self, budget: int) -> None:
        while not self._done.wait(_LOOK_EVERY):
            if _resident_bytes() > _LET_GO_AT * budget:
                self.let_go()


IN_MEMORY = Scratch()
"""Keeps everything in memory."""


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE


class GrowingArray:
    """An array made by appending to it, in the memory or the files of a `Scratch`."""

    def __init__(self, scratch: Scratch, dtype: Any) -> None:
        self._scratch = scratch
        self._dtype = np.dtype(dtype)
        self._sizes: list[int] = []
        self._parts: list[np.ndarray] = []
        self._file = None if scratch.budget is None else scratch._file()

    def __len__(self) -> int:
        return sum(self._sizes)

    def append(self, part: np.ndarray) -> None:
        """Add the elements of `part`, which is of the right type. Raises InputError if the disk is full."""
        self._sizes.append(len(part))
        if self._file is None:
            self._parts.append(part)
            return
        with explain_errors(self._scratch.folder, "keep temporary data"):
            rest = part.data.cast("B") if len(part) else memoryview(b"")
            while rest:
                rest = rest[self._file.write(rest) :]

    def last(self, number: int) -> list[np.ndarray]:
        """The parts appended last, as they are stored."""
        if self._file is None:
            return self._parts[len(self._parts) - number :]
        sizes = self._sizes[len(self._sizes) - number :]
        stored = self._stored(len(self) - sum(sizes))
        ends = np.cumsum(sizes).tolist()
        return [stored[end - size : end] for end, size in zip(ends, sizes)]

    def joined(self) -> np.ndarray:
        """All elements as one array, which ends the appending."""
        if self._file is None:
            whole = np.concatenate([np.zeros(0, self._dtype), *self._parts])
        else:
            whole = self._stored(0)
            self._file.close()
        self._parts = []
        return whole

    def _stored(self, start: int) -> np.ndarray:
        size = len(self) - start
        if self._file is None or not size:
            return np.zeros(0, self._dtype)
        return self._scratch._mapped(self._file, start * self._dtype.itemsize, size, self._dtype)
