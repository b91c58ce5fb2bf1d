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
from contextlib import ExitStack
from types import TracebackType
from typing import Any, BinaryIO, cast
from weakref import WeakSet

import numpy as np

from lmmix.errors import SettingError
from lmmix.fileio import explain_errors

LEAST_BUDGET = 800 << 20
"""Bytes that the interpreter, the compiled kernels and the work of a moment need in any case."""

_LET_GO_AT = 0.6
_LOOK_EVERY = 0.005
_PIECE = 1 << 22
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

    What is small beside the n-grams stays in memory: the vocabulary, the ends of sentences, what a thread works on at
    a time (about 25 bytes for each occurrence of the most frequent word), and flags of a byte an n-gram for cut-offs.

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
        self._files = ExitStack()

    def __enter__(self) -> Scratch:
        if self.budget is not None:
            threading.Thread(target=self._keep_below, args=(self.budget,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._files.close()

    def empty(self, size: int, dtype: Any) -> np.ndarray:
        """(size,) array whose content means nothing yet."""
        if self.budget is None or not size:
            return np.empty(size, dtype)
        nbytes = size * np.dtype(dtype).itemsize
        with explain_errors(self.folder, "keep temporary data"), self._file() as file:
            # Writing to a page that a full disk cannot hold would kill the process, so room is taken now.
            os.posix_fallocate(file.fileno(), 0, nbytes)
            return self._mapped(file, 0, size, dtype)

    def taken(self, array: np.ndarray, places: np.ndarray) -> np.ndarray:
        """``array[places]``."""
        out = self.empty(len(places), array.dtype)
        for start in range(0, len(places), _PIECE):
            piece = slice(start, start + _PIECE)
            out[piece] = array[places[piece]]
        return out

    def growing(self, dtype: Any, expected: int = 1 << 16) -> GrowingArray:
        """An array that is made by appending; room for `expected` elements costs nothing until they are there."""
        return GrowingArray(self, dtype, expected)

    def _file(self) -> BinaryIO:
        with explain_errors(self.folder, "keep temporary data"):
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

    def __init__(self, scratch: Scratch, dtype: Any, expected: int) -> None:
        self._scratch = scratch
        self._dtype = np.dtype(dtype)
        self._size = 0
        in_memory = scratch.budget is None
        self._array = np.empty(expected if in_memory else 0, self._dtype)
        self._file = None if in_memory else scratch._files.enter_context(scratch._file())

    def __len__(self) -> int:
        return self._size

    def append(self, part: np.ndarray) -> None:
        """Add the elements of `part`, which is of the right type. Raises InputError if the disk is full."""
        start, self._size = self._size, self._size + len(part)
        if self._file is not None:
            with explain_errors(self._scratch.folder, "keep temporary data"):
                rest = part.data.cast("B") if len(part) else memoryview(b"")
                while rest:
                    rest = rest[self._file.write(rest) :]
            return
        if self._size > len(self._array):
            larger = np.empty(2 * self._size, self._dtype)
            larger[:start] = self._array[:start]
            self._array = larger
        self._array[start : self._size] = part

    def stored(self, start: int = 0) -> np.ndarray:
        """The elements from `start` on that are there now."""
        size = self._size - start
        if self._file is None or not size:
            return self._array[start : start + size]
        return self._scratch._mapped(self._file, start * self._dtype.itemsize, size, self._dtype)
