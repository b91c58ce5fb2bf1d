"""What lists begin with, by which their format is recognised."""

from __future__ import annotations

from collections.abc import Iterable

from lmmix.fileio import SMALL_CHUNK_BYTES, PathLike, open_read, read_text_lines


def head_of(path: PathLike) -> str:
    """The first line of a file that is not blank; empty if there is none.

    Of standard input it may be the beginning of that line only, which can still be read afterwards. Raises InputError.
    """
    lines: Iterable[str]
    if str(path) == "-":
        with open_read(path) as stream:
            # All that buffers can show without taking it away.
            waiting = stream.peek(1) if hasattr(stream, "peek") else b""
        lines = [line.rstrip("\r") for line in waiting.decode("utf-8-sig", errors="replace").split("\n")]
    else:
        lines = (line for _, line in read_text_lines(path, SMALL_CHUNK_BYTES))
    return next((line for line in lines if line.strip()), "")
