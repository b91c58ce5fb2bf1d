"""Files of lines `key value`, as Kaldi and ESPnet have them; several with the same keys are read in step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lmmix.errors import FormatError, InputError
from lmmix.fileio import (
    COMPRESSED,
    SMALL_CHUNK_BYTES,
    PathLike,
    explain_errors,
    line_chunks,
    open_read,
    read_text_lines,
    text_lines,
)
from lmmix.nbest.formats.folder import name_of
from lmmix.nbest.formats.numbers import number
from lmmix.vocab import SPACE


class KeyedLines:
    """A file of lines `key value`, looked at one after the other; empty lines are passed over.

    Attributes
    ----------
    key : str or None
        Of the line that comes next; None behind the last one.
    value : str
        What stands behind the key and one blank.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self._lines = _lines(path)
        self._number = 0
        self.key: str | None = None
        self.value = ""
        self._advance()

    @property
    def where(self) -> str:
        """``file:line`` of the line that comes next, or of the last one behind it."""
        return f"{self.path}:{max(self._number, 1)}"

    def _advance(self) -> None:
        self.key, self.value = None, ""
        for place, line in self._lines:
            if line.strip(" \t\v\f\r\0"):
                self._number = place
                self.key, self.value = parted(line)
                if not self.key:
                    raise FormatError(f"{self.where}: begins with a blank, not with a key")
                return

    def next(self) -> str:
        """The value of the next line, which is there."""
        value = self.value
        self._advance()
        return value

    def take(self, other: KeyedLines) -> str:
        """The value of the next line, which must have the key that comes next in `other`. Raises FormatError."""
        if self.key != other.key:
            found = "the file ends" if self.key is None else f"the key is {self.key!r}"
            raise FormatError(
                f"{self.where}: {found} where {other.where} has the key {other.key!r}; "
                "the files must have the same keys in the same order"
            )
        return self.next()

    def take_number(self, other: KeyedLines, plain: Callable[[str], str] = str.strip) -> float:
        """The same for a value that is a finite number once it is made `plain`. Raises FormatError."""
        where = self.where
        return number(plain(self.take(other)), name_of(self.path), where)

    def finish(self, other: PathLike) -> None:
        """Raise FormatError if there are lines left that `other`, which gave the keys, does not have."""
        if self.key is not None:
            raise FormatError(f"{self.where}: the key {self.key!r} is not in {other}, or stands elsewhere there")


def _lines(path: PathLike) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file that is only open while a chunk is read, so that there may be thousands of them."""
    if str(path).endswith(COMPRESSED) or not Path(path).is_file():
        return read_text_lines(path, SMALL_CHUNK_BYTES)
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        with explain_errors(path, "read"), open(path, "rb") as stream:
            stream.seek(at)
            piece = stream.read(size)
        at += len(piece)
        return piece

    return text_lines(line_chunks(read, SMALL_CHUNK_BYTES), path)


def parted(line: str) -> tuple[str, str]:
    """(key, value) of a line."""
    key, *value = SPACE.split(line, maxsplit=1)
    return key, value[0] if value else ""


def first_line(path: PathLike) -> tuple[str, str]:
    """(key, value) of the first line of a file that may be anything; empty texts if it begins with an empty line."""
    with open_read(path) as stream:
        line = stream.readline(SMALL_CHUNK_BYTES)
    return parted(line.decode("utf-8-sig", errors="replace").strip("\r\n"))


def keyed_line(key: str, value: str) -> str:
    """A line of such a file; an empty value leaves the key alone. Raises InputError for what a line cannot hold."""
    if not key or SPACE.search(key):
        raise InputError(f"{key!r} cannot be a key: it is empty or holds white space; use the format jsonl")
    if not fits_a_line(value):
        raise InputError(f"{key}: the text {value!r:.60} holds the end of a line; use the format jsonl")
    return f"{key} {value}\n" if value else f"{key}\n"


def fits_a_line(text: str) -> bool:
    """Whether a text comes back as it was from a file of lines."""
    return "\n" not in text and not text.endswith("\r")


def numbered_folders(path: Path, prefix: str) -> list[Path]:
    """The folders in `path` that are called `prefix` and a number, by number: what parallel jobs left."""
    pattern = re.compile(re.escape(prefix) + "([0-9]+)")
    found = [(match, child) for child in path.glob(f"{prefix}*") if (match := pattern.fullmatch(child.name))]
    return [child for _, child in sorted((int(match[1]), child) for match, child in found if child.is_dir())]
